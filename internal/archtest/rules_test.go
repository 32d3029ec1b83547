package archtest

// module is the path of this module; own packages are named relative to it.
const module = "github.com/kvsim/kvsim"

// Packages outside of this module that only some packages may link.
const (
	kgo            = "github.com/twmb/franz-go/pkg/kgo"
	kfake          = "github.com/twmb/franz-go/pkg/kfake"
	porcupine      = "github.com/anishathalye/porcupine"
	protocompile   = "github.com/bufbuild/protocompile"
	protoimpl      = "google.golang.org/protobuf/runtime/protoimpl"
	rapid          = "pgregory.net/rapid"
	testcontainers = "github.com/testcontainers/testcontainers-go"
	wazero         = "github.com/tetratelabs/wazero"
)

// rule says what a package is for, and what it and those below it may link.
type rule struct {
	// pkg is the path of the package, relative to the module.
	pkg string
	// what is its purpose, in one line. CONTRIBUTING.md lists the packages with
	// it.
	what string
	// own lists the packages of this module that it may link, each with those
	// below it. The rule's own packages need not be listed.
	own []string
	// notOwn takes back a part of own.
	notOwn []string
	// foreign lists packages of other modules and of the standard library that it
	// must not link, each with those below it.
	foreign []string
	// tests lists packages, by their full paths, that its tests must not import
	// either, each with those below it.
	tests []string
	// why is shown when the rule is broken.
	why string
}

// heavy maps packages of other modules to the only packages that may import them by
// themselves, tests included, each with those below it.
var heavy = map[string][]string{
	testcontainers: {"kvstoretest/realkafka"},
	wazero:         {"cmd/kvsim/internal"},
}

// rules is the package map, leaves first.
var rules = []rule{
	{
		pkg:     "linearizability",
		what:    "leaf: histories in, verdict and explanation out",
		foreign: []string{"github.com/twmb", "testing", rapid, testcontainers, wazero},
		tests:   []string{module, "github.com/twmb"},
		why:     "a leaf that knows histories only",
	},
	{
		pkg:     "internal/simnet",
		what:    "leaf: an in-memory network that knows Kafka's frames, with latency and faults",
		foreign: []string{kfake, porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that knows connections and frames only",
	},
	{
		pkg:     "internal/valve",
		what:    "leaf: makes callers wait while something is being done",
		foreign: []string{"github.com/twmb", porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that knows waiting only",
	},
	{
		pkg:     "internal/recordlog",
		what:    "leaf: reads the record batches of a log from their bytes",
		foreign: []string{kfake, porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that knows bytes only: fake brokers and real ones have their logs read by it",
	},
	{
		pkg:     "kvstore/internal/invariant",
		what:    "leaf: checks of the store's invariants while it runs; compiled in by a build tag",
		foreign: []string{"github.com/twmb", porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that everything in the store may import",
	},
	{
		pkg:     "kvstore/internal/brief",
		what:    "leaf: cuts what errors and logs quote of what others said",
		foreign: []string{"github.com/twmb", porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that knows texts only",
	},
	{
		pkg:     "kvstore/internal/claims",
		what:    "leaf: ends connections on which a broker answers more than it was asked",
		foreign: []string{kgo, kfake, porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that knows connections and frames only",
	},
	{
		pkg:     "kvstore/internal/inflate",
		what:    "leaf: decompresses the contents of record batches",
		foreign: []string{kfake, porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that knows bytes only",
	},
	{
		pkg:     "kvstore/internal/position",
		own:     []string{"kvstore/internal/invariant"},
		what:    "leaf: a client's position in the log, and who waits for it",
		foreign: []string{"github.com/twmb", porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that knows offsets and waiters only",
	},
	{
		pkg:     "kvstore/internal/registry",
		own:     []string{"kvstore/internal/brief"},
		what:    "leaf: a client of the Schema Registry, and what it reads of schemas",
		foreign: []string{kgo, kfake, porcupine, protocompile, protoimpl, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that asks a registry and no broker, with no compiler of schemas and no generated message",
	},
	{
		pkg:     "kvstore/memory/internal/item",
		what:    "leaf: one key with its value, packed into memory without pointers",
		foreign: []string{"github.com/twmb", porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that knows bytes only",
	},
	{
		pkg:     "kvstore/memory/internal/chunk",
		own:     []string{"kvstore/memory/internal/item"},
		what:    "memory that small items share",
		foreign: []string{"github.com/twmb", porcupine, "testing", rapid, testcontainers, wazero},
		why:     "it knows items and memory only",
	},
	{
		pkg:     "kvstore/memory/internal/undo",
		own:     []string{"kvstore/memory/internal/item", "kvstore/internal/invariant"},
		what:    "what a write replaces, for readers that come meanwhile",
		foreign: []string{"github.com/twmb", porcupine, "testing", rapid, testcontainers, wazero},
		why:     "it knows items only",
	},
	{
		pkg:     "kvstore/memory/internal/filling",
		own:     []string{"kvstore/memory/internal/item", "kvstore/memory/internal/chunk", "kvstore/internal/invariant"},
		what:    "a table that takes in a log until the storage is first read",
		foreign: []string{"github.com/twmb", porcupine, "testing", rapid, testcontainers, wazero},
		why:     "it knows items and memory only",
	},
	{
		pkg:     "kvstore/memory/internal/index",
		own:     []string{"kvstore/memory/internal/item", "kvstore/memory/internal/chunk", "kvstore/memory/internal/undo", "kvstore/memory/internal/filling", "kvstore/internal/invariant"},
		what:    "finds items by key, at any time and without a lock",
		foreign: []string{"github.com/twmb", porcupine, "testing", rapid, testcontainers, wazero},
		why:     "it knows items only, and nothing of their order",
	},
	{
		pkg:     "kvstore/memory/internal/order",
		own:     []string{"kvstore/memory/internal/item", "kvstore/memory/internal/chunk", "kvstore/internal/invariant"},
		what:    "keeps items in the order of their keys, in versions that never change",
		foreign: []string{"github.com/twmb", porcupine, "testing", rapid, testcontainers, wazero},
		why:     "it knows items only, and no index but by what it tells one",
	},
	{
		pkg:     "kvstore",
		what:    "the client; users' programs link it",
		foreign: []string{kfake, porcupine, protocompile, protoimpl, "testing", rapid, testcontainers, wazero},
		why:     "users' programs link it, so it links nothing of the simulator or of tests, no compiler of schemas, and no generated message",
	},
	{
		pkg:     "kvstore/memory",
		what:    "the default storage",
		own:     []string{"kvstore"},
		foreign: []string{kfake, porcupine, protocompile, protoimpl, "testing", rapid, testcontainers, wazero},
		why:     "users' programs link it, so it links nothing of the simulator or of tests, no compiler of schemas, and no generated message",
	},
	{
		pkg:     "internal/outcome",
		what:    "enters into a history what calls to the store returned",
		own:     []string{"kvstore", "linearizability"},
		foreign: []string{kfake, "testing", rapid, testcontainers, wazero},
		why:     "it knows results and histories, and nothing that runs",
	},
	{
		pkg:     "internal/fakecluster",
		what:    "a fake Kafka cluster on simnet: restarts, crash images, leader moves, compaction",
		own:     []string{"internal/simnet", "internal/recordlog"},
		foreign: []string{porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a broker to run against, which knows no client and no test",
	},
	{
		pkg:     "internal/simcluster",
		what:    "what a simulated world asks of its brokers",
		own:     []string{"internal/fakecluster", "internal/simnet", "internal/recordlog"},
		foreign: []string{porcupine, "testing", rapid, testcontainers, wazero},
		why:     "brokers for worlds know no world",
	},
	{
		pkg:     "kvstoretest",
		what:    "the test kit on fakecluster; imports testing",
		own:     []string{"kvstore", "linearizability", "internal"},
		foreign: []string{rapid, testcontainers, wazero},
		why:     "the kit for everyone's unit tests stays light and does not need the simulator",
	},
	{
		pkg:     "kvstoretest/kvrapid",
		what:    "property tests; apart, because rapid registers flags when imported",
		own:     []string{"kvstore", "kvstoretest", "linearizability", "internal"},
		notOwn:  []string{"kvstoretest/realkafka"},
		foreign: []string{testcontainers, wazero},
		why:     "property tests need no containers",
	},
	{
		pkg:     "kvstoretest/realkafka",
		what:    "real brokers; apart, because containers are heavy",
		own:     []string{"kvstore", "kvstoretest", "linearizability", "internal"},
		notOwn:  []string{"kvstoretest/kvrapid"},
		foreign: []string{rapid, wazero},
		why:     "real brokers need no property tests",
	},
	{
		pkg:     "sim",
		what:    "the simulated world; takes randomness and the network as arguments, does not know its engine",
		own:     []string{"kvstore", "linearizability", "internal"},
		foreign: []string{"testing", rapid, testcontainers, wazero},
		why:     "a world does not know which engine runs it",
	},
	{
		pkg:     "scenarios",
		what:    "named plans of faults",
		own:     []string{"sim", "kvstore", "linearizability", "internal"},
		foreign: []string{"testing", rapid, testcontainers, wazero},
		why:     "a plan does not know which engine runs it",
	},
	{
		pkg:     "scenarios/regressions",
		what:    "plans that found a bug once, as tests",
		own:     []string{"sim", "kvstore", "linearizability", "internal"},
		foreign: []string{rapid, testcontainers, wazero},
		tests:   []string{module + "/kvstoretest"},
		why:     "tests that shrinking writes need nothing but a world",
	},
	{
		pkg:  "internal/doctext",
		what: "reads what documents say, for tests that hold them to it",
		why:  "it knows text only",
	},
	{
		pkg:  "internal/archtest",
		what: "tests of the module's shape: imports, files, promises",
		why:  "it contains only tests",
	},
	{
		pkg:     "cmd/kvsim",
		what:    "the command, one file for each subcommand",
		own:     []string{"kvstore", "kvstoretest", "linearizability", "internal", "sim", "scenarios"},
		notOwn:  []string{"kvstoretest/kvrapid"},
		foreign: []string{rapid},
		why:     "rapid registers its flags when imported",
	},
	{
		pkg:     "cmd/kvsim/internal/engine",
		what:    "runs worlds in virtual time, in the exact engine, or on real brokers",
		own:     []string{"sim", "kvstore", "linearizability", "internal", "cmd/kvsim/internal"},
		notOwn:  []string{"cmd/kvsim/internal/kafkaworld"},
		foreign: []string{rapid, testcontainers},
		why:     "an engine runs any plan and knows none by name",
	},
	{
		pkg:     "cmd/kvsim/internal/exact",
		what:    "runs a Go program as a wasm guest whose every instruction is decided by the seed",
		own:     []string{"cmd/kvsim/internal/procgroup"},
		foreign: []string{rapid, testcontainers, porcupine, kfake},
		why:     "it runs any Go program and knows none by name",
	},
	{
		pkg:     "cmd/kvsim/internal/kafkaworld",
		what:    "worlds on real brokers in containers",
		own:     []string{"sim", "kvstore", "kvstoretest", "linearizability", "internal"},
		notOwn:  []string{"kvstoretest/kvrapid"},
		foreign: []string{rapid, wazero},
		why:     "real brokers are one more place for worlds, which no engine needs to know",
	},
	{
		pkg:     "cmd/kvsim/internal/report",
		what:    "draws report.html",
		own:     []string{"linearizability"},
		foreign: []string{rapid, testcontainers, wazero, kfake},
		why:     "a report is made of a history and a verdict, wherever they come from",
	},
	{
		pkg:     "cmd/kvsim/internal/mutants",
		what:    "bugs of the store as patches, and what has to find each",
		own:     []string{"linearizability"},
		foreign: []string{rapid, testcontainers, wazero, kfake},
		why:     "a list of patches, which runs nothing",
	},
	{
		pkg:     "cmd/kvsim/internal/mutation",
		what:    "makes mutants of any package by rule, all in one program",
		own:     []string{"cmd/kvsim/internal/procgroup"},
		foreign: []string{rapid, testcontainers, wazero, kfake, porcupine},
		why:     "it knows source only, and nothing that runs it",
	},
	{
		pkg:     "cmd/kvsim/internal/mutation/score",
		what:    "runs those mutants against tests and worlds, and counts",
		own:     []string{"cmd/kvsim/internal", "sim", "kvstore", "linearizability", "internal"},
		notOwn:  []string{"cmd/kvsim/internal/kafkaworld"},
		foreign: []string{rapid, testcontainers},
		why:     "it runs any plan and knows none by name",
	},
	{
		pkg:     "cmd/kvsim/internal/procgroup",
		what:    "leaf: ends a process with its children",
		foreign: []string{porcupine, rapid, testcontainers, wazero, kfake},
		why:     "a leaf that knows processes only",
	},
}
