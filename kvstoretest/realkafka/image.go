package realkafka

import (
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"

	"github.com/testcontainers/testcontainers-go"
)

// kafka completes the request for an image with the entry point of
// apache/kafka: settings are environment variables, and a container that is
// started again keeps settings and data.
func (n *node) kafka(req *testcontainers.ContainerRequest) {
	req.Env = map[string]string{"CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw"}
	for name, value := range n.settings() {
		req.Env[settingToEnv(name)] = value
	}
	// The native image is the broker without Java: it has no heap setting.
	req.Env["KAFKA_HEAP_OPTS"] = "-Xms96m -Xmx384m"
	req.WaitingFor = accepting()
}

// settings are the broker's server.properties.
func (n *node) settings() map[string]string {
	var voters []string
	for id := 1; id <= n.cfg.brokers; id++ {
		host := alias(id)
		if n.net == nil {
			host = "localhost"
		}
		voters = append(voters, fmt.Sprintf("%d@%s:9093", id, host))
	}
	internal := "localhost"
	if n.net != nil {
		internal = alias(n.id)
	}
	replicas := strconv.Itoa(n.cfg.replicas())
	inSync := strconv.Itoa(max(1, n.cfg.replicas()-1))
	s := map[string]string{
		"node.id":                        strconv.Itoa(n.id),
		"process.roles":                  "broker,controller",
		"controller.quorum.voters":       strings.Join(voters, ","),
		"controller.listener.names":      "CONTROLLER",
		"inter.broker.listener.name":     "INTERNAL",
		"listeners":                      "EXTERNAL://:9092,CONTROLLER://:9093,INTERNAL://:9094",
		"advertised.listeners":           fmt.Sprintf("EXTERNAL://%s,INTERNAL://%s:9094", n.addr(), internal),
		"listener.security.protocol.map": "EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT",
		"log.dirs":                       "/tmp/kvsim-kafka",

		"auto.create.topics.enable":                        "false",
		"default.replication.factor":                       replicas,
		"min.insync.replicas":                              inSync,
		"offsets.topic.replication.factor":                 replicas,
		"offsets.topic.num.partitions":                     "1",
		"transaction.state.log.replication.factor":         replicas,
		"transaction.state.log.min.isr":                    inSync,
		"transaction.state.log.num.partitions":             "1",
		"share.coordinator.state.topic.replication.factor": replicas,
		"share.coordinator.state.topic.min.isr":            inSync,

		// Keep the leader where a test put it.
		"auto.leader.rebalance.enable": "false",

		// Notice a killed broker in seconds, not in tens of seconds.
		"broker.heartbeat.interval.ms": "500",
		"broker.session.timeout.ms":    "3000",

		// Make the cleaner look for work ten times a second, with a buffer that fits the
		// small heap.
		"log.cleaner.backoff.ms":          "100",
		"log.cleaner.dedupe.buffer.size":  "4194304",
		"log.segment.delete.delay.ms":     "100",
		"log.retention.check.interval.ms": "500",
	}
	if len(n.cfg.users()) > 0 {
		n.cfg.secure(s)
	}
	maps.Copy(s, n.cfg.settings)
	return s
}

// settingToEnv is how apache/kafka spells settings in the environment.
func settingToEnv(name string) string {
	return "KAFKA_" + strings.ToUpper(strings.NewReplacer("_", "__", "-", "___", ".", "_").Replace(name))
}

// redpanda completes the request for Redpanda, as one small broker.
func (n *node) redpanda(req *testcontainers.ContainerRequest) {
	_, port, _ := net.SplitHostPort(n.addr())
	req.Cmd = []string{
		"redpanda", "start",
		"--mode=dev-container", "--smp=1", "--memory=1G", "--default-log-level=info",
		"--kafka-addr=external://0.0.0.0:9092,internal://0.0.0.0:9094",
		fmt.Sprintf("--advertise-kafka-addr=external://%s:%s,internal://127.0.0.1:9094", n.host, port),
		"--set=redpanda.auto_create_topics_enabled=false",
		"--set=redpanda.log_compaction_interval_ms=500",
		"--set=redpanda.log_segment_ms_min=100",
		"--set=redpanda.group_initial_rebalance_delay=0",
	}
	req.WaitingFor = accepting()
}
