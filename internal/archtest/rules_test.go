package archtest

// module is the path of this module; own packages are named relative to it.
const module = "github.com/kvsim/kvsim"

// Packages outside of this module that only some packages may link.
const (
	kfake          = "github.com/twmb/franz-go/pkg/kfake"
	porcupine      = "github.com/anishathalye/porcupine"
	rapid          = "pgregory.net/rapid"
	testcontainers = "github.com/testcontainers/testcontainers-go"
	wazero         = "github.com/tetratelabs/wazero"
)

// rule says what a package and those below it may link.
type rule struct {
	// pkg is the path of the package, relative to the module.
	pkg string
	// own lists the packages of this module that it may link, each with those
	// below it. The rule's own packages need not be listed.
	own []string
	// notOwn takes back a part of own.
	notOwn []string
	// foreign lists packages of other modules and of the standard library that it
	// must not link, each with those below it.
	foreign []string
	// why is shown when the rule is broken.
	why string
}

// rules is the package map, leaves first.
var rules = []rule{
	{
		pkg:     "linearizability",
		foreign: []string{"github.com/twmb", "testing", rapid, testcontainers, wazero},
		why:     "a leaf that knows histories only",
	},
	{
		pkg:     "internal/simnet",
		foreign: []string{kfake, porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that knows connections and frames only",
	},
	{
		pkg:     "internal/recordlog",
		foreign: []string{kfake, porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a leaf that knows bytes only: fake brokers and real ones have their logs read by it",
	},
	{
		pkg:     "kvstore",
		foreign: []string{kfake, porcupine, "testing", rapid, testcontainers, wazero},
		why:     "users' programs link it, so it links nothing of the simulator or of tests",
	},
	{
		pkg:     "internal/fakecluster",
		own:     []string{"internal/simnet", "internal/recordlog"},
		foreign: []string{porcupine, "testing", rapid, testcontainers, wazero},
		why:     "a broker to run against, which knows no client and no test",
	},
	{
		pkg:     "kvstoretest",
		own:     []string{"kvstore", "linearizability", "internal"},
		notOwn:  []string{"internal/engine", "internal/exact"},
		foreign: []string{rapid, testcontainers, wazero},
		why:     "the kit for everyone's unit tests stays light and does not need the simulator",
	},
	{
		pkg:     "kvstoretest/kvrapid",
		own:     []string{"kvstore", "kvstoretest", "linearizability", "internal"},
		notOwn:  []string{"kvstoretest/realkafka", "internal/engine", "internal/exact"},
		foreign: []string{testcontainers, wazero},
		why:     "property tests need no containers",
	},
	{
		pkg:     "kvstoretest/realkafka",
		own:     []string{"kvstore", "kvstoretest", "linearizability", "internal"},
		notOwn:  []string{"kvstoretest/kvrapid", "internal/engine", "internal/exact"},
		foreign: []string{rapid, wazero},
		why:     "real brokers need no property tests",
	},
	{
		pkg:     "sim",
		own:     []string{"kvstore", "linearizability", "internal"},
		notOwn:  []string{"internal/engine", "internal/exact"},
		foreign: []string{"testing", rapid, testcontainers, wazero},
		why:     "a world does not know which engine runs it",
	},
	{
		pkg:     "scenarios",
		own:     []string{"sim", "kvstore", "linearizability", "internal"},
		notOwn:  []string{"internal/engine", "internal/exact"},
		foreign: []string{"testing", rapid, testcontainers, wazero},
		why:     "a plan does not know which engine runs it",
	},
	{
		pkg:     "scenarios/regressions",
		own:     []string{"sim", "kvstore", "linearizability", "internal"},
		notOwn:  []string{"internal/engine", "internal/exact"},
		foreign: []string{rapid, testcontainers, wazero},
		why:     "tests that shrinking writes need nothing but a world",
	},
	{
		pkg:     "internal/engine",
		own:     []string{"sim", "kvstore", "linearizability", "internal"},
		foreign: []string{rapid, testcontainers},
		why:     "an engine runs any plan and knows none by name",
	},
	{
		pkg:     "internal/exact",
		own:     []string{"sim", "kvstore", "linearizability", "internal"},
		foreign: []string{rapid, testcontainers},
		why:     "an engine runs any plan and knows none by name",
	},
	{
		pkg:     "internal/kafkaworld",
		own:     []string{"sim", "kvstore", "kvstoretest", "linearizability", "internal"},
		notOwn:  []string{"kvstoretest/kvrapid", "internal/engine", "internal/exact"},
		foreign: []string{rapid, wazero},
		why:     "real brokers are one more place for worlds, which no engine needs to know",
	},
	{
		pkg:     "internal/planted",
		own:     []string{"sim", "kvstore", "linearizability", "internal"},
		notOwn:  []string{"internal/engine", "internal/exact"},
		foreign: []string{"testing", rapid, testcontainers, wazero},
		why:     "a client with a bug runs in any world, by any engine",
	},
	{
		pkg:     "internal/bench",
		own:     []string{"kvstore"},
		foreign: []string{"testing", porcupine, rapid, testcontainers, wazero},
		why:     "it measures what users link, so it links nothing that would be measured with it",
	},
	{
		pkg:     "internal",
		own:     []string{"kvstore", "linearizability", "internal"},
		notOwn:  []string{"internal/engine", "internal/exact"},
		foreign: []string{rapid, testcontainers, wazero},
		why:     "what is shared sits below the packages that share it",
	},
	{
		pkg:     "cmd",
		own:     []string{"kvstore", "kvstoretest", "linearizability", "internal", "sim", "scenarios"},
		notOwn:  []string{"kvstoretest/kvrapid"},
		foreign: []string{rapid},
		why:     "rapid registers its flags when imported",
	},
}
