// Package kvstoretest gives a test a running Kafka cluster with a kvstore on it, and lets the
// test cause everything that can go wrong with one.
//
//	func TestTheme(t *testing.T) {
//		kv := kvstoretest.NewStore(t)
//		...
//	}
//
// The cluster is a fake one, in the memory of the test. It starts in less than a millisecond,
// belongs to that test only, and ends with it. It works in real time and inside a
// testing/synctest bubble. In a bubble everything runs in simulated time: a test of a minute
// takes milliseconds. An idle client still asks for records about once a simulated second, so
// a simulated day with one takes seconds of processor time.
//
// # A kit
//
// [New] returns a [Kit]. A test opens clients on it by name, or passes the options
// of [Kit.ClientOptions] to the program under test:
//
//	kit := kvstoretest.New(t, kvstoretest.WithBrokers(3))
//	kv := kit.Open("app")                      // closed when the test ends
//	app, err := server.Start(ctx, kit.Topic(), kit.ClientOptions("server")...)
//
// [Kit.Seed], [Kit.Append] and [Kit.Begin] write to the log without a client of the store:
// keys, records of other programs, records without a key, batches that can't be decoded,
// transactions. [Kit.Log] and [Kit.Snapshot] read the log back, and [Kit.CaughtUp] waits until
// a client shows it.
//
// # Faults
//
// Each fault is one call. It lasts until the [Effect] that it returns is undone, or until the
// test ends. Hits says how many times it has taken effect, and Wait waits for that, so that no
// test has to sleep:
//
//	pause := kit.PauseFetches("app")
//	...
//	pause.Wait(1) // a record is held now
//	pause.Undo()
//
//	reading        Lag PauseFetches ThrottleFetches FailFetches WithholdRecords AnswerAtOnce OlderEnds
//	network        Latency Stall BlackHole Silence CutFrames DropConnections
//	writing        FailProduces FailProducesAfterAppend LoseRequests LoseAnswers
//	brokers        StopBroker RestartBrokers MoveLeader OutOfSync SlowBroker
//	what they know StaleMetadata ForgetProducers ForgetProducersAtElections
//	transactions   LoadCoordinators MoveCoordinator
//	the log        Compact UncompactedLeader CompactedLeader DeleteRecords LoseTail RecreateTopic GrowPartitions HostileBatch
//
// Those of the network take names of clients; [Kit.On] narrows them further, to brokers, to
// requests or answers, and to kinds of requests. [Links.Answer] answers requests of a kind with any
// error code.
//
// [Kit.AlterTopic] changes the topic's configuration. With [WithUsers] clients
// need a password and rights, which [Kit.SetPassword], [Kit.Allow] and
// [Kit.Revoke] change.
//
// # Failures
//
// [Kit.WantValue] and similar methods check what a client shows now. The message of a failure
// has what the client returned and what was wanted, with the revision, the client's position,
// the last records of the log, and the active faults:
//
//	Get("theme") = "light" (revision 0), want "dark"
//	    client "reader" at position 1, live
//	    the last 2 of 2 records of the log:
//	        offset 0  "theme" = "light"
//	        offset 1  "theme" = "dark" (not applied yet)
//	    fault: stall client=reader dir=to-client api=fetch, 1 hit
//
// The logs of clients and brokers are attached to tests that fail. Wrong use of the kit fails
// the test with a message that says what to do.
//
// # Histories
//
// [Kit.Record] wraps a client so that everything that is done with it is recorded, from any
// number of goroutines. [Kit.CheckHistory], in the last line of the test, judges the whole
// history with package linearizability: each acknowledged write must be in the log once, each
// read must be a state of the log, no client may miss its own writes or go back in time, and
// so on.
//
// # Parts of your own
//
// [TestStorage] and [TestSerde] check a storage and a serde of your own against the rules of
// their interfaces. The subpackage kvrapid checks the whole store with random operations and
// faults, and realkafka runs tests on real brokers. They are packages of their own because of
// their dependencies.
package kvstoretest
