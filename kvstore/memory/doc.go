// Package memory is the default storage of a [kvstore.Client]: an ordered map
// that lives on the heap.
//
// # Guarantees
//
//   - A [Storage] is safe for concurrent use. Reads take no lock and never wait
//     for a write: they load one atomic pointer. Writes are serialized.
//   - Every write is atomic: a concurrent Get, Range or Snapshot sees all of an
//     ApplyBatch or ApplyRecords or nothing of it.
//   - A range runs on the state that the storage had when the iteration began.
//     It neither blocks writes nor sees them.
//   - A snapshot is taken in constant time. It keeps alive only what it can
//     reach: items written or removed since share nothing with it.
//
// # Ownership of bytes
//
// The storage copies the keys and values that it is given, so the caller may
// change its slices as soon as a write returns.
//
// The slices that Get, GetEntry and Range return are not copied. They alias
// memory that the storage never writes again, so they stay as they are even
// when the key is overwritten or deleted; the caller must not change them. A
// slice that is held keeps its own key and value alive and nothing else.
//
// # Data structure
//
// A persistent B+tree (the path-copying of Driscoll, Sarnak, Sleator and Tarjan,
// "Making Data Structures Persistent", 1989, on the B+tree of Comer, "The
// Ubiquitous B-Tree", 1979). A write copies the nodes on the path from the root to the
// leaf, changes the copies, and publishes the new root with one atomic store.
// Nodes that a write has copied carry its number, so a batch copies each node
// once however many of its items fall there.
//
// Each leaf slot holds eight bytes of the key beside the pointer to the item,
// taken after the prefix that all keys of the node share (the prefix truncation
// of Bayer and Unterauer, "Prefix B-Trees", 1977). A search compares those
// integers and reads an item only on a tie, which is about one cache miss instead
// of six.
//
// Key, value, revision and time lie in one allocation that the garbage collector
// does not scan. At 20 byte keys and 100 byte values the whole heap is about
// 1.4 times the bytes of live keys and values.
package memory
