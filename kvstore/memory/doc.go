// Package memory is the default storage of a [kvstore.Client]: an ordered map
// that lives on the heap.
//
// # Guarantees
//
//   - A [Storage] is safe for concurrent use. Writes are serialized. Reads take no
//     lock and never wait for a write: see "Readers and writers" below for the two
//     exceptions, both before a storage has been read in order for the first time.
//   - Every write is atomic: a concurrent Get, Range or Snapshot sees all of an
//     ApplyBatch or ApplyRecords or nothing of it.
//   - A range runs on the state that the storage had when the iteration began.
//     It neither blocks writes nor sees them.
//   - A snapshot is taken in constant time, but for the first one. It keeps alive
//     what it can reach, and the blocks that lies in.
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
// (up to 512 bytes together), a block of at most 4 KiB that they share with their
// neighbours. RangeOwned and PairsOwned of a snapshot make copies, which belong to
// the caller; those of up to 63 neighbours share an allocation of at most 8 KiB.
//
// # Data structure
//
// Two structures hold the same items.
//
// The order is a persistent B+tree (the path-copying of Driscoll, Sarnak, Sleator
// and Tarjan, "Making Data Structures Persistent", 1989, on the B+tree of Comer,
// "The Ubiquitous B-Tree", 1979). A write copies the nodes on the path from the
// root to the leaf, changes the copies, and publishes the new root with one atomic
// store. Nodes that a write has copied carry its number, so a batch copies each
// node once however many of its items fall there. Each leaf slot holds eight bytes
// of the key beside the pointer to the item, taken after the prefix that all keys
// of the node share (the prefix truncation of Bayer and Unterauer, "Prefix
// B-Trees", 1977). A search compares those integers and reads an item only on a
// tie.
//
// The index is a hash table of one cache line a bucket. A random Get costs it two
// cache misses, one for the bucket and one for the item, where the tree costs six.
//
// Key, value, revision and time of an item lie together, in memory that the
// garbage collector does not scan. The small items of a leaf lie side by side in
// blocks of up to 4 KiB, so that a range reads memory from front to back; a leaf
// of which half has changed is gathered anew. At 16 byte keys and 100 byte values
// the whole heap is about 1.4 times the bytes of live keys and values, and less
// than twice under overwrites and deletes.
//
// A storage that is being filled has the index alone: most of what a log's begin
// holds is overwritten further on, and a tree of a million keys is built faster
// in one go than key by key. It is built by the first Range or Snapshot, in time
// n log n on all processors; [kvstore.NewClient] takes a snapshot before it
// returns.
//
// # Readers and writers
//
// A write makes the next tree aside. Then it publishes the root, and brings the
// index up to it, with a version number that is odd meanwhile (Lamport,
// "Concurrent Reading and Writing", 1977). A Get that meets an odd number, or
// another one after its look at the index than before it, asks the tree instead.
// So a Get costs at most one look at the index and one at the tree, however large
// the batch and however fast they follow each other; ranges and snapshots look at
// the tree only.
//
// Two waits are left, while there is no tree: a Get that meets a write waits for
// that one write, and the first Range or Snapshot waits until the tree is built.
// Neither is met by the reads of a client, which do not pass before it has opened,
// but for those after a rebuild.
package memory
