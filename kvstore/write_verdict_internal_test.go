package kvstore

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What Kafka says of a produce request before it appends anything, by what the
// client may conclude. All other codes leave room for doubt.
var (
	rejections = []int16{2, 3, 5, 6, 9, 19, 35, 74, 75, 89, 100, 103}
	refusals   = []int16{10, 17, 18, 21, 29, 31, 32, 43, 44, 76, 87}
	forgets    = []int16{45, 47, 49, 59, 90}
)

func answered(code int16, offset int64) answer {
	p := kmsg.NewProduceResponseTopicPartition()
	p.ErrorCode, p.BaseOffset = code, offset
	return answer{sent: true, part: &p}
}

// Every code that there is, and those that there may be one day.
func TestEveryErrorCodeOfAProduceAnswerIsGraded(t *testing.T) {
	for code := int16(-2); code < 300; code++ {
		want := gradeDoubtful
		switch {
		case code == 0:
			want = gradePlaceless
		case code == kerr.DuplicateSequenceNumber.Code:
			want = gradeDuplicate
		case slices.Contains(rejections, code):
			want = gradeRejected
		case slices.Contains(refusals, code):
			want = gradeRefused
		case slices.Contains(forgets, code):
			want = gradeForgotten
		}
		a := answered(code, -1)
		if got := a.grade(); got != want {
			t.Errorf("code %d (%v): grade %d, want %d", code, kerr.ErrorForCode(code), got, want)
		}
		if err := a.problem(); (err == nil) != (code == 0) || err != nil && !errors.Is(err, kerr.ErrorForCode(code)) {
			t.Errorf("code %d: problem %v, want %v in it", code, err, kerr.ErrorForCode(code))
		}
	}
	for _, code := range []int16{math.MinInt16, math.MaxInt16} {
		if got := answered(code, 7).grade(); got != gradeDoubtful {
			t.Errorf("code %d: grade %d, want doubt", code, got)
		}
	}
}

func TestEveryShapeOfAProduceAnswerIsGraded(t *testing.T) {
	right := fmt.Errorf("metadata: %w", kerr.TopicAuthorizationFailed)
	for what, tc := range map[string]struct {
		answer answer
		want   grade
	}{
		"acknowledged":                       {answered(0, 12), gradeWritten},
		"acknowledged at the log's begin":    {answered(0, 0), gradeWritten},
		"found in the log":                   {answer{seen: true, offset: 3}, gradeWritten},
		"a duplicate with its offset":        {answered(0, 4), gradeWritten},
		"not sent":                           {answer{err: io.EOF}, gradeUnsent},
		"no right to see the leader":         {answer{err: right}, gradeRefused},
		"no right to have a producer id":     {answer{err: &rightError{answer: kerr.ClusterAuthorizationFailed}}, gradeRefused},
		"not sent, part of the log is gone":  {answer{err: fmt.Errorf("look: %w", errUnseen)}, gradeUnseen},
		"no answer":                          {answer{err: io.EOF, sent: true}, gradeDoubtful},
		"no answer that can be read":         {answer{err: kerr.TopicAuthorizationFailed, sent: true}, gradeDoubtful},
		"an answer without the partition":    {answer{sent: true}, gradeDoubtful},
		"not the leader":                     {answered(kerr.NotLeaderForPartition.Code, -1), gradeRejected},
		"not the leader any more":            {answered(kerr.NotLeaderForPartition.Code, 9), gradeDoubtful},
		"the topic went while it replicated": {answered(kerr.UnknownTopicOrPartition.Code, 9), gradeDoubtful},
	} {
		if got := tc.answer.grade(); got != tc.want {
			t.Errorf("%s: grade %d, want %d", what, got, tc.want)
		}
	}
}

// The answers that the protocol allows, in each version, through their bytes.
func TestProduceAnswerOfOtherShapesSaysNothingOfTheBatch(t *testing.T) {
	id, other := [16]byte{1}, [16]byte{2}
	shapes := map[string]struct {
		change func(r *kmsg.ProduceResponse)
		ours   bool
	}{
		"ours":               {func(*kmsg.ProduceResponse) {}, true},
		"null error message": {func(r *kmsg.ProduceResponse) { r.Topics[0].Partitions[0].ErrorMessage = nil }, true},
		"throttled":          {func(r *kmsg.ProduceResponse) { r.ThrottleMillis = 5000 }, true},
		"errors of records": {func(r *kmsg.ProduceResponse) {
			e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			e.ErrorMessage = new("why")
			r.Topics[0].Partitions[0].ErrorRecords = append(r.Topics[0].Partitions[0].ErrorRecords, e, e)
		}, true},
		"unknown tags": {func(r *kmsg.ProduceResponse) {
			for _, tags := range []*kmsg.Tags{&r.UnknownTags, &r.Topics[0].UnknownTags, &r.Topics[0].Partitions[0].UnknownTags} {
				tags.Set(99, []byte("x"))
			}
		}, true},
		"another leader named": {func(r *kmsg.ProduceResponse) {
			r.Topics[0].Partitions[0].CurrentLeader.LeaderID = 3
			b := kmsg.NewProduceResponseBroker()
			b.NodeID, b.Host = 3, "h"
			r.Brokers = append(r.Brokers, b)
		}, true},
		"no topics":         {func(r *kmsg.ProduceResponse) { r.Topics = nil }, false},
		"two topics":        {func(r *kmsg.ProduceResponse) { r.Topics = append(r.Topics, r.Topics[0]) }, false},
		"another topic":     {func(r *kmsg.ProduceResponse) { r.Topics[0].Topic, r.Topics[0].TopicID = "other", other }, false},
		"no partitions":     {func(r *kmsg.ProduceResponse) { r.Topics[0].Partitions = nil }, false},
		"another partition": {func(r *kmsg.ProduceResponse) { r.Topics[0].Partitions[0].Partition = 1 }, false},
		"two partitions": {func(r *kmsg.ProduceResponse) {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, r.Topics[0].Partitions[0])
		}, false},
	}
	for version := int16(3); version <= 13; version++ {
		for what, tc := range shapes {
			r := kmsg.NewPtrProduceResponse()
			r.Version = version
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = "kv", id
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.BaseOffset = 41
			rt.Partitions = append(rt.Partitions, rp)
			r.Topics = append(r.Topics, rt)
			tc.change(r)
			got := kmsg.NewPtrProduceResponse()
			got.Version = version
			if err := got.ReadFrom(r.AppendTo(nil)); err != nil {
				t.Fatal(err)
			}
			asked := newTry(&recordBatch{}, "kv", id, 0, nil)
			p := asked.ours(got)
			if (p != nil) != tc.ours || p != nil && p.BaseOffset != 41 {
				t.Errorf("version %d, %s: partition %v, want one: %v", version, what, p, tc.ours)
			}
		}
	}
	if p := newTry(&recordBatch{}, "kv", id, 0, nil).ours(kmsg.NewPtrFetchResponse()); p != nil {
		t.Errorf("an answer to another request: partition %v", p)
	}
}

// A batch's outcome by the grades of all its tries.
func TestVerdictOnABatchOfManyTries(t *testing.T) {
	for what, tc := range map[string]struct {
		grades []grade
		want   verdict
		doubt  bool
	}{
		"written at once":                       {[]grade{gradeWritten}, verdictWritten, false},
		"written after all":                     {[]grade{gradeUnsent, gradeRejected, gradeDoubtful, gradeWritten}, verdictWritten, true},
		"written, nobody says where":            {[]grade{gradePlaceless}, verdictDuplicate, false},
		"a duplicate of a try":                  {[]grade{gradeDoubtful, gradeDuplicate}, verdictDuplicate, true},
		"a duplicate of nothing":                {[]grade{gradeDuplicate}, verdictUnknown, false},
		"a duplicate of what was rejected":      {[]grade{gradeRejected, gradeUnsent, gradeDuplicate}, verdictUnknown, false},
		"not sent yet":                          {[]grade{gradeUnsent, gradeUnsent}, verdictAgain, false},
		"rejected for now":                      {[]grade{gradeRejected, gradeRejected}, verdictAgain, false},
		"no answer":                             {[]grade{gradeDoubtful}, verdictAgain, true},
		"rejected after no answer":              {[]grade{gradeDoubtful, gradeRejected, gradeUnsent}, verdictAgain, true},
		"refused":                               {[]grade{gradeRefused}, verdictRefused, false},
		"refused after it was rejected":         {[]grade{gradeRejected, gradeUnsent, gradeRefused}, verdictRefused, false},
		"refused after no answer":               {[]grade{gradeDoubtful, gradeRefused}, verdictUnknown, true},
		"refused long after no answer":          {[]grade{gradeDoubtful, gradeRejected, gradeRefused}, verdictUnknown, true},
		"producer forgotten":                    {[]grade{gradeForgotten}, verdictRenew, false},
		"producer forgotten after a rejection":  {[]grade{gradeRejected, gradeForgotten}, verdictRenew, false},
		"producer forgotten twice":              {[]grade{gradeForgotten, gradeForgotten}, verdictRenew, false},
		"producer forgotten after no answer":    {[]grade{gradeDoubtful, gradeForgotten}, verdictUnknown, true},
		"producer forgotten after all of these": {[]grade{gradeRejected, gradeDoubtful, gradeUnsent, gradeForgotten}, verdictUnknown, true},
		"no answer, part of the log is gone":    {[]grade{gradeDoubtful, gradeUnsent, gradeUnseen}, verdictUnknown, true},
	} {
		var tr trial
		var got verdict
		for _, g := range tc.grades {
			got = tr.judge(g)
		}
		if got != tc.want || tr.doubt != tc.doubt {
			t.Errorf("%s: verdict %d, doubt %v; want %d, %v", what, got, tr.doubt, tc.want, tc.doubt)
		}
	}
}

// Whatever the answers are: under another identity nothing goes once a try may
// have been appended, and nothing is called refused.
func TestDoubtIsNeverForgotten(t *testing.T) {
	all := []grade{gradeWritten, gradePlaceless, gradeDuplicate, gradeUnsent, gradeRejected, gradeRefused, gradeForgotten, gradeUnseen, gradeDoubtful}
	var walk func(tr trial, doubt bool, depth int)
	walk = func(tr trial, doubt bool, depth int) {
		if depth == 0 {
			return
		}
		for _, g := range all {
			next := tr
			v := next.judge(g)
			now := doubt || g == gradeDoubtful
			if now && (v == verdictRenew || v == verdictRefused) {
				t.Fatalf("verdict %d on grade %d although a try may have been appended", v, g)
			}
			if v == verdictAgain || v == verdictRenew {
				walk(next, now, depth-1)
			}
		}
	}
	walk(trial{}, false, 6)
}
