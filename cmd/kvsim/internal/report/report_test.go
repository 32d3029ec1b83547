package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/report"
	lin "github.com/kvsim/kvsim/linearizability"
)

// write makes the page of a history.
func write(tb testing.TB, r report.Report) string {
	tb.Helper()
	if r.Verdict == nil {
		r.Verdict = lin.Check(r.History, lin.Options{})
	}
	var b bytes.Buffer
	if err := report.Write(&b, r); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

var (
	dataPattern  = regexp.MustCompile(`(?s)<script id="data" type="application/json">(.*?)</script>`)
	outerPattern = regexp.MustCompile(`(?s)<(script|style)[^>]*>.*?</(script|style)>`)
)

// markup returns the page without its scripts, data and styles.
func markup(page string) string { return outerPattern.ReplaceAllString(page, "") }

func TestPageOfAViolationNamesItsEvidence(t *testing.T) {
	h := history(t, 400)
	v := lin.Check(h, lin.Options{})
	if v.Status != lin.Violated {
		t.Fatalf("the history with a stale read: %v", v)
	}
	page := markup(write(t, report.Report{History: h, Verdict: v, Title: "a title", Plan: "kvsim-plan 1", Facts: []report.Fact{{Name: "engine", Value: "virtual"}}}))
	first := v.Violations[0]
	for _, want := range []string{
		"<h1>a title</h1>", `class="badge violated" id="status">violated<`, "<dt>engine</dt><dd>virtual</dd>", "<dt>scenario</dt><dd>hand-made</dd>",
		string(first.Check), html.EscapeString(first.Check.Guarantee()), fmt.Sprintf(`<a href="#op-%d">`, first.Ops[0]), `class="marked"`,
		"lag client=c2", "kvsim-plan 1", "Porcupine",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, id := range lin.AllChecks() {
		if !strings.Contains(page, "<code>"+string(id)+"</code>") {
			t.Errorf("the page does not say what %s found", id)
		}
	}
}

func TestPageSaysEveryStatus(t *testing.T) {
	held := newMaker(2, 3)
	held.open()
	held.run(50)
	disagreement := &lin.Verdict{Status: lin.HarnessFailure, Disagreements: []*lin.Disagreement{{Key: "key/01", LogWitness: "held <b>", Porcupine: "violated"}}}
	for _, tc := range []struct {
		name  string
		r     report.Report
		wants []string
	}{
		{"held", report.Report{History: held.r.History()}, []string{"badge held", "Every guarantee that could be judged held."}},
		{
			"inconclusive",
			report.Report{History: held.r.History(), Verdict: &lin.Verdict{Status: lin.Inconclusive, Undecided: []string{"too <i>small"}}, Notes: []string{"a floor & more"}},
			[]string{"badge inconclusive", "Undecided: too &lt;i&gt;small", "a floor &amp; more"},
		},
		{"empty", report.Report{History: &lin.History{Torn: true}}, []string{"The stored history ended inside of a line"}},
		{"disagreement", report.Report{History: held.r.History(), Verdict: disagreement}, []string{"badge harness-failure", "The two judges disagree", "held &lt;b&gt;", `data-picture="0"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			page := markup(write(t, tc.r))
			for _, want := range tc.wants {
				if !strings.Contains(page, want) {
					t.Errorf("the page has no %q:\n%.1500s", want, page)
				}
			}
		})
	}
}

func TestPageLoadsNothing(t *testing.T) {
	page := markup(write(t, report.Report{History: history(t, 400)}))
	for _, pattern := range []string{`\ssrc=`, `href="[^#]`, `url\(`, `@import`, `<link`, `\son[a-z]+=`, `\sstyle=`} {
		if found := regexp.MustCompile(pattern).FindString(page); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
	if want := `content="default-src &#39;none&#39;; script-src &#39;sha256-`; !strings.Contains(page, want) {
		t.Errorf("the page has no policy that begins with %s", want)
	}
}

func TestHostileTextStaysText(t *testing.T) {
	h := hostile(t)
	r := report.Report{History: h, Title: attacks[0], Plan: attacks[0], Notes: attacks, Facts: []report.Fact{{Name: attacks[0], Value: attacks[1]}}, Keys: []string{h.Ops[len(h.Ops)-1].Key}}
	page := write(t, r)
	for _, bad := range []string{"<img", "<svg/", "\x00", "\u202e", "\u2028"} {
		if strings.Contains(markup(page), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	if n := strings.Count(page, "<script"); n != 2 {
		t.Errorf("the page has %d scripts, want its own and its data", n)
	}
	if data := dataPattern.FindStringSubmatch(page)[1]; strings.ContainsAny(data, "<>&\u2028") {
		t.Error("the data has characters that can end it")
	}
}

// A model is the part of what the page's script gets that the tests look at.
type model struct {
	Clients, Keys, Lanes []string
	Ops                  struct {
		ID        []int64
		Kind      []string
		Low, High []int
		Keys      map[int][]int
		Outcome   []string
		ReturnSeq []int64
		Call      []string
		Result    []string
	}
	Log    struct{ Kind []string }
	Faults []struct {
		Kind, Detail string
		Client, Lane int
	}
	Violations []struct{ Key int }
	Pictures   []struct{ Key, HTML string }
}

func modelOf(t *testing.T, page string) model {
	t.Helper()
	var m model
	if err := json.Unmarshal([]byte(dataPattern.FindStringSubmatch(page)[1]), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLanesAndFaults(t *testing.T) {
	var now time.Duration
	r := lin.NewRecorder(func() time.Duration { now++; return now }, lin.RecorderOptions{})
	for _, c := range []string{"c10", "c2", "c1"} {
		r.Begin(lin.Operation{Client: c, Process: 1, Kind: lin.OpOpen}).OK()
	}
	for _, text := range []string{
		"lag client=c2 from=1s for=2s", "restart broker=leader from=1s", "stall client=c1 broker=12 dir=to-client from=0s", "rolling down=1s",
		"lag client=c99", "broker 1 dies for good", "client c10 dies for good",
	} {
		r.Fault(text)
	}
	m := modelOf(t, write(t, report.Report{History: r.History(), Brokers: 3}))
	if want := []string{"c1", "c2", "c10"}; !slices.Equal(m.Clients, want) {
		t.Errorf("clients = %q, want %q", m.Clients, want)
	}
	if want := []string{"cluster", "broker 0", "broker 1", "broker 2", "broker 12", "leader"}; !slices.Equal(m.Lanes, want) {
		t.Errorf("lanes = %q, want %q", m.Lanes, want)
	}
	want := "[{lag client=c2 1 -1} {restart broker=leader -1 5} {stall client=c1 broker=12 dir=to-client 0 4} {rolling down=1s -1 0} {lag client=c99 -1 0} {broker 1 dies for good -1 2} {client c10 dies for good 2 -1}]"
	if got := fmt.Sprint(m.Faults); got != want {
		t.Errorf("faults = %s\nwant     %s", got, want)
	}
}

func TestOperationsInTheModel(t *testing.T) {
	var now time.Duration
	r := lin.NewRecorder(func() time.Duration { now++; return now }, lin.RecorderOptions{})
	begin := func(o lin.Operation) *lin.Call {
		o.Client, o.Process = "c", 1
		return r.Begin(o)
	}
	begin(lin.Operation{Kind: lin.OpBatch, Items: []lin.Item{{Key: "b", Value: "v1"}, {Key: "a\xff"}}}).OK()
	begin(lin.Operation{Kind: lin.OpPut, Key: `c"`, Value: "v2"}).Unknown(errors.New("lost"))
	begin(lin.Operation{Kind: lin.OpRange, Start: "a", End: "c"}).Items([]lin.Item{{Key: "b", Value: "v1", Revision: lin.None}}).OK()
	begin(lin.Operation{Kind: lin.OpGet, Key: "b", Barrier: true}).OK()
	begin(lin.Operation{Kind: lin.OpWait, Revision: 7})
	m := modelOf(t, write(t, report.Report{History: r.History(), Verdict: new(lin.Verdict)}))
	if want := []string{"a%FF", "b", "c%22"}; !slices.Equal(m.Keys, want) {
		t.Errorf("keys = %q, want %q", m.Keys, want)
	}
	wantCalls := []string{`batch("b": v1, "a%FF": no value)`, `put("c%22", v2)`, `range("a", "c")`, `barrier get("b")`, "wait(7)"}
	if !slices.Equal(m.Ops.Call, wantCalls) {
		t.Errorf("calls = %q, want %q", m.Ops.Call, wantCalls)
	}
	wantResults := []string{"", "lost", `{"b": v1}`, "no value", "never returned"}
	if !slices.Equal(m.Ops.Result, wantResults) {
		t.Errorf("results = %q, want %q", m.Ops.Result, wantResults)
	}
	if got, want := fmt.Sprint(m.Ops.Keys, m.Ops.Low, m.Ops.High), "map[0:[1 0]] [-1 2 0 1 -1] [-1 3 2 2 -1]"; got != want {
		t.Errorf("keys of the operations = %s, want %s", got, want)
	}
	if m.Ops.ReturnSeq[4] != 0 || m.Ops.Outcome[4] != "pending" {
		t.Errorf("what never returned = event %d, %s", m.Ops.ReturnSeq[4], m.Ops.Outcome[4])
	}
}

func TestPageIsTheSameEachTime(t *testing.T) {
	h := history(t, 300)
	first, second := write(t, report.Report{History: h}), write(t, report.Report{History: h})
	if first != second {
		t.Error("two pages of one history differ")
	}
}

// failing is a writer that fails after the given number of bytes.
type failing int

func (f *failing) Write(p []byte) (int, error) {
	if *f -= failing(len(p)); *f < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestFailureToWriteIsTold(t *testing.T) {
	h := history(t, 100)
	f := failing(1000)
	err := report.Write(&f, report.Report{History: h, Verdict: lin.Check(h, lin.Options{})})
	if err == nil || err.Error() != "write a report: disk full" {
		t.Errorf("Write = %v, want the writer's error", err)
	}
}
