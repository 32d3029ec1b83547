package report_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/kvsim/kvsim/internal/report"
	lin "github.com/kvsim/kvsim/linearizability"
)

// TestScreenshots makes pictures of a history of your choice, to look at:
//
//	KVSIM_REPORT_SHOTS=history.jsonl,directory go test ./internal/report -run Screenshots
func TestScreenshots(t *testing.T) {
	name, dir, ok := bytesCut(os.Getenv("KVSIM_REPORT_SHOTS"))
	if !ok {
		t.Skip("KVSIM_REPORT_SHOTS=HISTORY,DIRECTORY is not set")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	h, err := lin.ReadHistory(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "report.html")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.Write(f, report.Report{History: h, Verdict: lin.Check(h, lin.Options{}), Brokers: 3}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b := startChromium(t)
	for _, scheme := range []string{"light", "dark"} {
		p := b.open(t, file, scheme, 1440, 1400)
		p.drawn()
		p.screenshot(filepath.Join(dir, scheme+".png"))
		// Frames load later.
		for _, id := range []string{"tools", "detail", "picture"} {
			p.eval("document.getElementById('"+id+"').scrollIntoView()", nil)
			p.drawn()
			p.screenshot(filepath.Join(dir, scheme+"-"+id+".png"))
		}
	}
	b.quiet(t)
}

func bytesCut(s string) (string, string, bool) {
	a, b, ok := bytes.Cut([]byte(s), []byte(","))
	return string(a), string(b), ok
}
