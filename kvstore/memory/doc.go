// Package memory is the default storage of a [kvstore.Client]: an ordered map
// that lives on the heap.
//
// # Guarantees
//
//   - A [Storage] is safe for concurrent use. Writes are serialized. Reads never wait
//     for a write, except for the first one of all: see "Readers and writers" below.
//   - Every write is atomic: a concurrent Get, Range or Snapshot sees all of an
//     ApplyBatch or ApplyRecords or nothing of it.
//   - A range runs on the state that the storage had when the iteration began.
//     It neither blocks writes nor sees them.
//   - A snapshot copies nothing. It keeps alive what it can reach, and the blocks that
//     lies in.
//   - The order is made when it is first asked for, by a Range or a Snapshot, which
//     sorts all keys. A program that wants this done before its first request takes a
//     snapshot when it starts. A program that only gets and puts never pays for it.
//
// # Ownership of bytes
//
// The storage copies the keys and values that it is given, so the caller may
// change its slices as soon as a write returns.
//
// The slices that Get, GetEntry and Range return are not copied. They alias
// memory that the storage never writes again, so they stay as they are even
// when the key is overwritten or deleted; the caller must not change them. A
// slice that is held keeps its own key and value alive and, when they are small
// (up to 512 bytes together), memory that they share with others, of at most
// 64 KiB. RangeOwned and PairsOwned of a snapshot make
// copies, which belong to the caller; those of up to 63 neighbours share an allocation of
// at most 8 KiB.
//
// # Data structure
//
// Each structure is a package below internal, with its invariants; docs/adr says what each
// buys. All changes are made here.
//
// Until the storage is first read it is being filled, for example while a client opens: a
// hash table without pointers leads to the items (filling), so that there is next to
// nothing for the collector to look at. From the first read on two structures hold the same
// items.
//
// The index is a hash table with buckets of one cache line. It has every write immediately. A
// random Get costs two cache misses, one for the bucket and one for the item, where a
// tree costs several more.
//
// The order is a persistent B+tree. It follows the index on demand: a Range or Snapshot
// applies to it what the writes since the last one did, sorted by key, and only the last
// change of each key. Done for each write by itself it would cost more than the rest of the
// write. So that a tree that nobody asks for does not keep too much memory alive, a write
// brings it up to date when it is behind by an eighth of what the storage holds. The first
// tree is built in one go, in time n log n on all processors.
//
// Key, value, revision and time of an item lie together, in memory that the garbage
// collector does not scan (item). Small items share it with others (chunk): in chunks while
// the storage is filled, and in blocks of up to 4 KiB, with the others of their leaf,
// once they are in the order, so that a range reads memory from front to back. The whole
// heap stays below twice the bytes of live keys and values, for pairs that are not tiny,
// also under overwrites and deletes.
//
// # Readers and writers
//
// A write gets an odd version number before it changes the index and an even one after it
// (Lamport, "Concurrent Reading and Writing", 1977), which makes it visible. Before it
// replaces an item it keeps it in an undo log (undo), a small hash table that lives as long as
// the write. A Get looks into the index first. If a write is under way it then looks
// whether that has replaced the key, and takes what was there before. So a Get costs at
// most one look at each, however large the batch. It starts over when another write began
// while it looked; it waits for nobody.
//
// Ranges and snapshots look at the tree only. They wait for each other while one of them,
// or a write that found it an eighth behind, brings the tree up to date for all, at a
// cost in proportion to the changes since. A write waits only for the first of them,
// while that collects the items.
//
// The first read of all, and the first one after a Reset, makes the index. It waits for
// the write that is under way, and writes wait for it; other reads wait until it is done.
// So does the Range that makes the order. A client lets reads pass only after its storage
// has been filled.
package memory
