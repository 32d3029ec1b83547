package fakecluster

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answersText is the table of what Kafka may answer; it explains itself.
//
//go:embed answers.txt
var answersText string

// A Cell is one row of the table of error codes that Kafka may answer.
type Cell struct {
	API string   // API is the name of the request, such as list-offsets.
	Key kmsg.Key // Key is its api key.
	Err *kerr.Error
	At  Place
	// After says that the broker has done what was asked, and answers the error nevertheless.
	After bool
	// Lasting says that a right is missing or that the request can't be done, so that a call may fail
	// with the code. Others pass, and a client has to try again.
	Lasting bool
	Source  string // Source is where Kafka says so.
}

// String returns the cell as campaigns count it.
func (c Cell) String() string {
	when := "before"
	if c.After {
		when = "after"
	}
	return fmt.Sprintf("%s %s %s %s", c.API, c.Err.Message, c.At, when)
}

// A Place is where in an answer an error code stands.
type Place string

// The places. Not every answer has each of them.
const (
	AtWhole     Place = "whole"
	AtTopic     Place = "topic"
	AtPartition Place = "partition"
	AtResource  Place = "resource"
)

// An API is a kind of request that clients of a store send, with the name that plans have for it.
type API struct {
	Name string
	Key  kmsg.Key
}

// apis are all of them.
var apis = []API{
	{"produce", kmsg.Produce},
	{"fetch", kmsg.Fetch},
	{"list-offsets", kmsg.ListOffsets},
	{"metadata", kmsg.Metadata},
	{"offset-for-leader-epoch", kmsg.OffsetForLeaderEpoch},
	{"init-producer-id", kmsg.InitProducerID},
	{"describe-configs", kmsg.DescribeConfigs},
	{"create-topics", kmsg.CreateTopics},
	{"api-versions", kmsg.ApiVersions},
	{"sasl-handshake", kmsg.SASLHandshake},
	{"sasl-authenticate", kmsg.SASLAuthenticate},
}

// APIs returns the requests that a fault may name, and that brokers may answer with an error code.
func APIs() []API { return slices.Clone(apis) }

// table is answersText, parsed.
var table = parseAnswers(answersText)

// Answers returns the table of error codes that Kafka may answer to the requests of a store.
func Answers() []Cell { return slices.Clone(table) }

// parseAnswers panics if the text is wrong, because it is a part of the program.
func parseAnswers(text string) (cells []Cell) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) != 6 {
			panic(fmt.Sprintf("fakecluster: answers.txt: %q has %d words, not 6", line, len(words)))
		}
		c := Cell{API: words[0], Err: errorOf(words[1]), At: Place(words[2]), After: words[3] == "after", Lasting: words[4] == "lasting", Source: words[5]}
		i := slices.IndexFunc(apis, func(a API) bool { return a.Name == c.API })
		if i < 0 || c.Err == nil {
			panic(fmt.Sprintf("fakecluster: answers.txt: %q names no request or no error", line))
		}
		c.Key = apis[i].Key
		cells = append(cells, c)
	}
	return cells
}

// mostCode is above all codes that package kerr knows.
const mostCode = 1000

func errorOf(name string) *kerr.Error {
	for code := int16(-1); code < mostCode; code++ {
		if e := kerr.TypedErrorForCode(code); e != nil && e.Message == name {
			return e
		}
	}
	return nil
}
