// Package realkafka gives tests real Kafka brokers.
//
//	func TestMain(m *testing.M) { os.Exit(realkafka.Run(m)) }
//
//	func TestSettings(t *testing.T) {
//		k := realkafka.Start(t)
//		kv, err := kvstore.NewClient(t.Context(), k.Topic(nil), memory.New(), kvstore.WithBrokers(k.Brokers()...))
//		...
//	}
//
// [Start] starts Apache Kafka in a container, or several brokers with [WithBrokers], and
// shares it among the tests of a binary whose TestMain calls [Run]. Every [Cluster.Topic]
// is a fresh topic. What a test breaks with the methods of [Cluster] is repaired when it
// ends.
//
// # Where the brokers come from
//
//	KVSIM_KAFKA_BROKERS=host:port,...  an existing cluster, on which brokers can't
//	                                   be stopped; tests that need that are skipped
//	KVSIM_KAFKA_IMAGE=apache/kafka:4.4.0  another image, see also WithImage
//	KVSIM_REQUIRE_KAFKA=1              fail where the test would be skipped
//
// Without a Docker engine and without brokers, or when the image can't be had, Start skips
// the test and says why. An image of Redpanda is recognised by its name.
//
// # Compaction
//
// Topics are tuned so that the broker's own cleaner compacts them within seconds.
// [Cluster.Compact] makes that happen and returns when it is done.
//
// # Rights
//
// [WithUsers] makes clients log in, by SASL/PLAIN, with rights that the test gives
// and takes away:
//
//	k := realkafka.Start(t, realkafka.Own(), realkafka.WithUsers(map[string]string{"ann": "secret"}))
//	topic := k.Topic(nil)
//	k.Allow("ann", topic, kmsg.ACLOperationRead, kmsg.ACLOperationDescribe)
//	... kvstore.WithKafkaOptions(k.Login("ann")) ...
//
// # Ports
//
// A broker has to keep its port when its container is stopped and started again: a port
// that Docker chooses would be another one after the start, and no client would find the
// broker again. So this package chooses the port, below those that systems assign by
// themselves, and chooses another one if it is taken.
//
// # Without tests
//
// [Launch] and [Kafka] are the same without testing.TB, for programs. [At] and
// [InContainers] say where the brokers are, regardless of the environment.
package realkafka
