package report

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A Report has what a page is made of.
type Report struct {
	// History and Verdict are required. The verdict must be that of the history.
	History *lin.History
	Verdict *lin.Verdict
	// Status is how the run ended, in the words of lin.Status. Empty means the
	// status of the verdict. It can differ from that: a client did not catch up,
	// for example, or judging took too long.
	Status string
	// Title names the page. Empty is "kvsim report".
	Title string
	// Facts are shown at the top, after those from the history itself.
	Facts []Fact
	// Notes are sentences to show with the verdict, such as why a run counts as
	// inconclusive although its history held.
	Notes []string
	// Plan is the text of the plan that made the history, if there is one.
	Plan string
	// Brokers is the number of brokers, 0 if it is not known. A broker that a fault
	// names gets a lane in any case.
	Brokers int
	// Keys are keys for which to show porcupine's picture, in addition to those
	// that violations are about.
	Keys []string
}

// A Fact is a name and a value.
type Fact struct{ Name, Value string }

//go:embed page
var files embed.FS

var page = template.Must(template.New("page.html").ParseFS(files, "page/page.html"))

// scripts are the parts of the page's script, in their order.
var scripts = []string{
	"page/model.js", "page/state.js", "page/canvas.js", "page/timeline.js", "page/plots.js",
	"page/table.js", "page/detail.js", "page/main.js",
}

// view is what the template shows.
type view struct {
	Title      string
	Policy     string
	Style      template.CSS
	Script     template.JS
	Data       template.JS
	Status     string
	Mark       string
	Summary    string
	Notes      []string
	Facts      []Fact
	Violations []violationView
	Problems   []problemView
	Checks     []checkView
	Faults     []faultView
	Pictures   []pictureView
	Plan       string
}

// Write writes the page.
func Write(w io.Writer, r Report) error {
	style, err := files.ReadFile("page/page.css")
	if err != nil {
		return fmt.Errorf("write a report: %w", err)
	}
	script, err := joinScripts()
	if err != nil {
		return fmt.Errorf("write a report: %w", err)
	}
	m := newModel(&r)
	pictures, views := r.pictures()
	m.Pictures = pictures
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write a report: %w", err)
	}
	v := r.view(m)
	v.Pictures = views
	v.Style, v.Script = template.CSS(style), template.JS(script) //nolint:gosec // own files
	v.Data = template.JS(data)                                   //nolint:gosec // json.Marshal escapes <, > and & too
	v.Policy = policy(style, script, pictures)
	var out bytes.Buffer
	if err := page.Execute(&out, v); err != nil {
		return fmt.Errorf("write a report: %w", err)
	}
	if _, err := out.WriteTo(w); err != nil {
		return fmt.Errorf("write a report: %w", err)
	}
	return nil
}

// joinScripts returns the page's script.
func joinScripts() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("(function () {\n'use strict';\n")
	for _, name := range scripts {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		b.Write(data)
	}
	b.WriteString("}());\n")
	return b.Bytes(), nil
}

// view returns what the template shows, except the files of the page.
func (r *Report) view(m *model) view {
	v := view{Title: clean(r.Title), Plan: clean(r.Plan), Status: r.Verdict.Status.String()}
	v.Title = cmp.Or(v.Title, "kvsim report")
	if r.Status != "" {
		v.Status = r.Status
	}
	v.Mark = strings.ReplaceAll(v.Status, " ", "-")
	v.Summary = r.summary()
	for _, n := range r.Notes {
		v.Notes = append(v.Notes, clean(n))
	}
	for _, u := range r.Verdict.Undecided {
		v.Notes = append(v.Notes, "Undecided: "+clean(u))
	}
	if r.History.Torn {
		v.Notes = append(v.Notes, "The stored history ended inside of a line, which was left out: the program that wrote it was killed.")
	}
	v.Facts = r.facts(m)
	v.Violations = r.violations()
	v.Problems = r.problems()
	v.Checks = r.checks()
	v.Faults = r.faults()
	return v
}

// summary returns the result in a sentence.
func (r *Report) summary() string {
	if r.Status != "" {
		return "What became of the run is said below; its history alone, judged again, " + map[lin.Status]string{
			lin.Held: "held", lin.Violated: "is violated", lin.Inconclusive: "is inconclusive", lin.HarnessFailure: "cannot be judged",
		}[r.Verdict.Status] + "."
	}
	switch v := r.Verdict; v.Status {
	case lin.Held:
		return "Every guarantee that could be judged held."
	case lin.Violated:
		return count(len(v.Violations), "violation") + "."
	case lin.Inconclusive:
		return "No violation was found, and there was too little to judge."
	case lin.HarnessFailure:
	}
	return "The checks cannot be trusted here: this says nothing about the store."
}

// facts returns what is known about the history in numbers.
func (r *Report) facts(m *model) []Fact {
	facts := []Fact{
		{"operations", fmt.Sprint(len(r.History.Ops))},
		{"clients", fmt.Sprint(len(m.Clients))},
		{"keys", fmt.Sprint(len(m.Keys))},
		{"log records", fmt.Sprint(r.Verdict.Records)},
		{"faults", fmt.Sprint(len(r.History.Faults))},
		{"length", duration(r.History.Duration())},
		{"log tap", r.History.Header.Tap.String()},
	}
	for _, name := range slices.Sorted(maps.Keys(r.History.Header.Meta)) {
		facts = append(facts, Fact{clean(name), clean(r.History.Header.Meta[name])})
	}
	for _, f := range r.Facts {
		f = Fact{clean(f.Name), clean(f.Value)}
		if !slices.Contains(facts, f) {
			facts = append(facts, f)
		}
	}
	return facts
}
