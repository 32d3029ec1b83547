// Package kvstore is a key-value store on a single-partition compacted Kafka
// topic.
//
// Every client holds all of the data in a local [Storage]. A write is a record
// in the topic; it returns when this client has read it back, so a client reads
// its own writes. A read is local and costs no network.
//
//	kv, err := kvstore.NewClient(ctx, "settings", memory.New(), kvstore.WithBrokers("localhost:9092"))
//	...
//	defer kv.Close()
//	err = kv.Put(ctx, []byte("theme"), []byte("dark"))
//	value, err := kv.Get(ctx, []byte("theme"))
//
// It is made for small, important state that many processes share: settings,
// routing tables, leases, feature flags. All of it has to fit where the storage
// puts it.
//
// # Order and revisions
//
// The partition is the one order of all writes. The offset of a record is its
// revision. A client's position is the next offset that it will apply; its reads
// show exactly the records below, always a prefix of the log, and go back only
// if the log itself lost records.
//
//	log      a=1    b=1    a=2    del b   c=1
//	offset   0      1      2      3       4
//	                       ^ a client at position 2 reads a=1 b=1
//
// A client's reads show its own writes at once and other clients' writes after a
// while. [Client.Sync] waits for everything that was acknowledged to anyone
// before; a read after it is linearizable. [Client.WaitRevision] waits for one
// known write.
//
// # Outcomes
//
// A failed write is a [*WriteError] and matches exactly one of [ErrNotWritten],
// [ErrRefused] and [ErrOutcomeUnknown]. The third says that the write may be in
// the log: it must not be taken for a failure. An acknowledged write is in the
// log once, through retries, leader moves, lost answers and broker restarts.
//
// A write lives for two minutes, unless [WithDeliveryTimeout] says otherwise. After
// that no try of it is still to come from the client, whether its caller waited or
// not. What a broker has received by then it may still append.
//
// The client produces with requests of its own instead of franz-go's producer. A
// record batch of which a try may have been appended is sent again under the same
// producer id and sequence number only, and after a look into the log. If the
// broker does not know that producer any more, the outcome is unknown.
//
// # Many writers
//
// A client has one record batch on its way at a time. Writes that queue meanwhile
// go together in the next one. That waits until the one before is visible, but no
// longer than the acknowledgement of the one before took, nor than 20 ms: callers that
// write again at once then go with them. The write of a goroutine that writes
// alone waits for nothing. A [Batch] counts as one write; what does not fit one
// record batch goes with the next.
//
// # When the log loses records
//
// An unclean leader election, or records deleted by hand, can take back what
// clients have read. A client notices when the leader, or its epoch, changes and
// when its offset is out of range; it then rebuilds: it empties the storage and
// reads the log anew. Until the storage equals the log again, reads wait, bounded
// by their contexts, and [Client.Status] says StateRebuilding and why.
//
// Hooks are then told what is different: a delete for each key that vanished, in
// key order, a set for each key whose value is another one, in key order, and
// after that, as always, each record that they have not seen before.
//
// # When a client was away for long
//
// Compaction removes a tombstone once it has been in the log for the topic's
// delete.retention.ms, 24 hours unless set. A client that was cut off, or asleep, for
// longer would find neither the tombstone nor the record that it deleted, and show the
// key for ever. So a client remembers when it was last at the end of the log. When
// records come and that is longer ago than tombstones stay, less a margin, it reads the
// log anew before it shows anything newer. The margin is a tenth of that time, or a
// minute if that is more, but never more than half of it. Meanwhile reads, writes under
// way and whoever else waits go on to wait, and Status says StateRebuilding with
// [ErrTombstonesExpired]. The log lost nothing, so revisions and the position keep their
// meaning. The hooks are told of each record that they have not seen before and that is
// still there, as always, and then of a delete for each key that vanished without one,
// in key order.
//
// # When the topic goes away
//
// A topic that is gone, or was created anew, ends the client: every operation fails
// with [ErrTopicDeleted] or [ErrTopicRecreated], also reads, because what the storage
// holds is no longer the state of anything. No single answer does that. When a broker
// says of the topic what contradicts what was known - that it does not exist, has
// another id or an older leader epoch - the client asks others, and goes on with the
// first that agrees with what was known. Only when all who answer have said so for 30
// seconds ([WithTopicGoneAfter]) is it believed; until then reads are answered, Sync
// and writes wait, and Status says why.
//
// Other errors - brokers that can't be reached, a permission taken away, a
// record batch that can't be decoded - leave reads working on data that may be
// stale. The client keeps trying, Status says StateStalled with the cause, and
// writes end with their contexts, or when they have lived for too long.
package kvstore
