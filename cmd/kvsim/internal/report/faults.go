package report

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A faultModel is a fault in the form that the page's script gets.
type faultModel struct {
	// Kind is the first word of Text, Detail the rest without its times.
	Kind   string `json:"kind"`
	Detail string `json:"detail"`
	Text   string `json:"text"`
	// Client and Lane say what the fault is done to, according to its text:
	// client=c2, or broker=1. With neither it is done to the whole cluster.
	Client int   `json:"client"`
	Lane   int   `json:"lane"`
	Start  point `json:"start"`
	// End is the end of the history if the fault was not healed.
	End point `json:"end"`
}

// clusterLane is the lane for faults of no particular broker.
const clusterLane = "cluster"

// lanesOf returns the lanes above those of the clients, and the faults. The first lane is that of
// the cluster, if it has any faults. Then come the brokers by number, and then names that stand for
// a broker, such as the leader.
func lanesOf(r *Report, clients indexer) ([]string, []faultModel) {
	brokers := make(map[string]bool)
	for i := range r.Brokers {
		brokers["broker "+strconv.Itoa(i)] = true
	}
	laneNames := make([]string, len(r.History.Faults))
	cluster := false
	for i := range r.History.Faults {
		f := &r.History.Faults[i]
		client, broker := target(f.Text)
		switch {
		case broker != "":
			laneNames[i] = brokerLane(broker)
			brokers[laneNames[i]] = true
		case clients.of(client) < 0:
			laneNames[i] = clusterLane
			cluster = true
		}
	}
	lanes := slices.AppendSeq([]string{}, maps.Keys(brokers)) // not nil, which is no list in JSON
	slices.SortFunc(lanes, compareNames)
	if cluster {
		lanes = append([]string{clusterLane}, lanes...)
	}
	index := indexOf(lanes)
	faults := make([]faultModel, len(laneNames))
	for i := range faults {
		faults[i] = faultOf(r.History, i, clients, index.of(laneNames[i]))
	}
	return lanes, faults
}

func faultOf(h *lin.History, i int, clients indexer, lane int) faultModel {
	f := &h.Faults[i]
	client, _ := target(f.Text)
	m := faultModel{
		Text: clean(f.Text), Client: clients.of(client), Lane: lane,
		Start: pointOf(f.Start), End: pointOf(f.End),
	}
	if f.End.Seq == 0 {
		m.End = endOf(h)
	}
	m.Kind, m.Detail = splitFault(m.Text)
	return m
}

// target returns what a fault is done to. That is in its text as client=c1 or broker=1, or in the
// first two words, as in "broker 1 dies".
func target(text string) (client, broker string) {
	switch words := strings.Fields(text); {
	case len(words) < 2:
	case words[0] == "client":
		client = words[1]
	case words[0] == "broker":
		broker = words[1]
	}
	for word := range strings.FieldsSeq(text) {
		if name, ok := strings.CutPrefix(word, "client="); ok {
			client = name
		}
		if name, ok := strings.CutPrefix(word, "broker="); ok {
			broker = name
		}
	}
	return client, broker
}

func brokerLane(name string) string {
	if _, err := strconv.Atoi(name); err == nil {
		return "broker " + name
	}
	return printable(name)
}

// splitFault splits the text of a fault, and leaves out what the picture shows anyway.
func splitFault(text string) (kind, detail string) {
	kind, rest, _ := strings.Cut(text, " ")
	var words []string
	for word := range strings.FieldsSeq(rest) {
		if !strings.HasPrefix(word, "from=") && !strings.HasPrefix(word, "for=") {
			words = append(words, word)
		}
	}
	return kind, strings.Join(words, " ")
}
