// Package kvrapid checks a store with random operations and a model of the expected
// results: a state machine for pgregory.net/rapid that covers the whole API of
// kvstore.Client, on several clients, with random faults. It is for programs that have
// their own storage, wrap the client, or run it with options of their own.
//
//	func TestMyStorage(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			kvrapid.Check(t, kvrapid.Config{
//				Storage: func(t testing.TB) kvstore.Storage { return mystorage.New(t.TempDir()) },
//			})
//		})
//	}
//
// # What is checked
//
// Operations are done one at a time, and after each of them the log is read:
//
//   - An acknowledged write is in the log once, at the revision that it returned,
//     a batch whole and in its order, and its client shows it.
//   - A write that was refused or not written is not in the log, then or later.
//     One of unknown outcome is there at most once.
//   - Nothing else is in the log.
//   - A read shows exactly the state of the log at a position that the client was
//     at while it was asked: keys in order, bounds, limit, values, revisions and
//     times. Positions never go back.
//   - After Sync a client shows everything that was in the log before. After
//     WaitRevision it shows that revision. A client that was opened shows the log
//     as it was when opening began.
//   - A failed write is a *kvstore.WriteError of exactly one outcome. Ended
//     contexts, bad keys, values that are too large and closed clients give the
//     errors that they should.
//   - When all faults are over, every client shows the log.
//
// Importing this package registers the flags of rapid, which is why it is not part of
// kvstoretest.
package kvrapid
