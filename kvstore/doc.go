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
// It is meant for small, important state that many processes share: settings, routing
// tables, leases, feature flags. All of it has to fit wherever the storage keeps it.
//
// # Order and revisions
//
// The partition puts all writes into one order. The offset of a record is its revision. A
// client's position is the next offset that it will apply; its reads show exactly the
// records below, always a prefix of the log, and go back only if the log itself lost
// records.
//
//	log      a=1    b=1    a=2    del b   c=1
//	offset   0      1      2      3       4
//	                       ^ a client at position 2 reads a=1 b=1
//
// A client's reads show its own writes immediately, and other clients' writes a little later.
// [Client.Sync] waits for everything that was acknowledged to any client before the call;
// a read after it is linearizable. [Client.WaitRevision] waits for one known write.
//
// # Outcomes
//
// A failed write is a [*WriteError] and matches exactly one of [ErrNotWritten],
// [ErrRefused] and [ErrOutcomeUnknown]. The third says that the write may be in the log:
// do not take it for a failure. An acknowledged write is in the log once, through
// retries, leader moves, lost answers and broker restarts.
//
// A write lives for two minutes, unless [WithDeliveryTimeout] says otherwise. After that
// the client sends nothing of it any more, whether its caller waited or not. A broker may
// still append what it has received by then.
//
// The client sends its own produce requests instead of using franz-go's producer. A
// record batch that a broker may have appended already is sent again only under the same
// producer id and sequence number, and only after a look into the log. If the broker no
// longer knows that producer, the outcome is unknown.
//
// # Many writers
//
// A client has one record batch under way at a time. Writes that queue meanwhile share
// the next one. It waits until the one before it is visible, but no longer than that took
// to be acknowledged, and no longer than 20 ms: callers that write again immediately can then
// join it. The write of a goroutine that writes alone waits for nothing. A [Batch] counts
// as one write; what does not fit into one record batch goes into the next.
//
// # Typed clients
//
// A [ResourceClient] is a view of a client whose values have a type:
//
//	users := kvstore.NewResourceClient(kv, kvstore.JSON[User]())
//	err = users.Put(ctx, []byte("ann"), User{Name: "Ann"})
//	user, err := users.Get(ctx, []byte("ann"))
//
// It holds nothing but the client and a [Serde], so a client may have several, and their
// [TypedBatch] is a Batch of it. A value that can't be serialized is refused. One that can't be
// deserialized is a [*DecodeError], which ends [ResourceClient.Range] and which
// [ResourceClient.RangeAll] passes over.
//
// # Serdes
//
// A Serde turns values into bytes and back. [JSON] refuses, with [ErrLossyJSON], what
// encoding/json would change silently. [Proto] stores protobuf messages; with
// [WithSchemaRegistry] each value begins with the id of its schema, as Confluent's
// serializers write it. The schema is registered before Proto returns, unless
// [WithSchemaLookup] or [WithSchemaID] says that it is there already. So writing asks the
// registry nothing, and reading asks it once for each id that it has not met. While the
// registry is down, values of schemas that are known are read as always, others fail with
// [ErrRegistryUnavailable]; a schema that does not fit is [ErrSchemaMismatch]. A Serde of
// one's own can be tested with package kvstoretest.
//
// # Hooks
//
// [WithOnSetHook] and [WithOnDeleteHook] register callbacks that are told of each record as it
// is applied, in log order, those of the opening too: for a cache, or an index, beside the
// store. They run on the goroutine that reads the log, so a slow hook delays everything behind
// it, and a write returns only after the hooks that it caused. A hook may read through its
// client; what would wait for the hook itself, such as a write, fails with
// [ErrHookReentry]. A panic of a hook goes to [WithHookErrorHandler] and is counted in
// [Status].HookPanics. [WrapOnSet] and [WrapOnSetErr] make typed callbacks fit.
//
// # Clients that only read
//
// [WithReadOnly] makes a client that never writes and never creates a topic, and needs no more
// than the rights to describe and read it. While there is no topic, its opening waits. Reads,
// hooks, Sync and WaitRevision are as with any client; Put, Delete and Execute fail with
// [ErrReadOnly].
//
// # When the log loses records
//
// An unclean leader election, or records deleted by hand, can take back what clients have
// read. A client notices this when the leader or its epoch changes, or when its offset is
// out of range. It then rebuilds: it empties the storage and rereads the log. Until the
// storage equals the log again, reads wait, bounded by their contexts, and
// [Client.Status] says StateRebuilding and why.
//
// Hooks are then told what changed: a delete for each key that vanished, in key order, a
// set for each key that has another record, in key order, even if that has the same
// value, and after that, as always, each record that they have not seen before.
//
// # When a client was away for a long time
//
// Compaction removes a tombstone once it has been in the log for the topic's
// delete.retention.ms, 24 hours unless set. A client that was cut off, or asleep, for
// longer would find neither the tombstone nor the record that it deleted, and show the
// key forever. So a client remembers when it was last at the end of the log. When records
// arrive and that was longer ago than tombstones stay, less a margin, it rereads the log
// before it shows anything newer. The margin is a tenth of that time, or a minute if that
// is more, but never more than half of it. Meanwhile reads, writes under way and all
// other calls that wait go on waiting, and Status says StateRebuilding with
// [ErrTombstonesExpired]. The log lost nothing, so revisions and the position keep their
// meaning. The hooks are told of each record that they have not seen before and that is
// still there, as always, and then of a delete for each key that vanished without one, in
// key order.
//
// # When the topic goes away
//
// A topic that is gone, or was recreated, ends the client: every operation fails with
// [ErrTopicDeleted] or [ErrTopicRecreated], reads included, because what the storage
// holds is no longer the state of anything. No single answer ends it. When what a broker
// says of the topic contradicts what was known - that it does not exist, has another id
// or an older leader epoch - the client asks other brokers, and goes on with the first
// that agrees with what was known. Only when all brokers that answer have said so for 30
// seconds ([WithTopicGoneAfter]), without a long break in which the client heard none of
// them, does the client believe it; until then reads are
// answered, Sync and writes wait, and Status says why.
//
// Other errors - brokers that can't be reached, a permission taken away, a record batch
// that can't be decoded - leave reads working, on data that may be stale. The client
// keeps trying, Status says StateStalled with the cause, and writes end with their
// contexts, or when their time is over.
package kvstore
