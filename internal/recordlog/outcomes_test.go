package recordlog

import (
	"slices"
	"testing"
)

func TestOutcomesAreWhatTheProducersNextMarkerSays(t *testing.T) {
	t.Parallel()
	data := func(producer int64, txn bool) Batch { return Batch{ProducerID: producer, Transactional: txn} }
	marker := func(producer int64, key string) Batch {
		return Batch{ProducerID: producer, Transactional: true, Control: true, Records: []Record{{Key: []byte(key)}}}
	}
	const abort, commit = "\x00\x00\x00\x00", "\x00\x00\x00\x01"
	for _, c := range []struct {
		name string
		log  []Batch
		want []Outcome
	}{
		{"no batch", nil, nil},
		{"no transaction", []Batch{data(-1, false), data(1, false)}, []Outcome{NoTransaction, NoTransaction}},
		{"committed", []Batch{data(1, true), data(1, true), marker(1, commit)}, []Outcome{Committed, Committed, NoTransaction}},
		{"aborted", []Batch{data(1, true), marker(1, abort)}, []Outcome{Aborted, NoTransaction}},
		{"open", []Batch{data(1, true), marker(2, commit)}, []Outcome{Open, NoTransaction}},
		{"one after the other", []Batch{data(1, true), marker(1, abort), data(1, true), marker(1, commit), data(1, true)}, []Outcome{Aborted, NoTransaction, Committed, NoTransaction, Open}},
		{"across each other", []Batch{data(1, true), data(2, true), marker(2, commit), data(1, true), marker(1, abort)}, []Outcome{Aborted, Committed, NoTransaction, Aborted, NoTransaction}},
		{"outside of it", []Batch{data(1, true), data(1, false), marker(1, commit)}, []Outcome{Committed, NoTransaction, NoTransaction}},
		{"a control batch that compaction emptied", []Batch{data(1, true), {ProducerID: 1, Control: true}, data(1, true)}, []Outcome{Aborted, NoTransaction, Open}},
	} {
		if got := Outcomes(c.log); !slices.Equal(got, c.want) {
			t.Errorf("%s: Outcomes = %v, want %v", c.name, got, c.want)
		}
	}
}
