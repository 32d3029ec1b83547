package report_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/report"
	lin "github.com/kvsim/kvsim/linearizability"
)

// TestScreenshots makes pictures of a history of your choice, to look at:
//
//	KVSIM_REPORT_SHOTS=history.jsonl,directory,violation-3 go test ./cmd/kvsim/internal/report -run Screenshots
func TestScreenshots(t *testing.T) {
	args := strings.Split(os.Getenv("KVSIM_REPORT_SHOTS"), ",")
	if len(args) < 2 {
		t.Skip("KVSIM_REPORT_SHOTS=HISTORY,DIRECTORY is not set")
	}
	name, dir := args[0], args[1]
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
		if len(args) > 2 {
			p.eval("location.hash = '#"+args[2]+"'", nil)
		}
		p.drawn()
		p.eval("window.scrollTo(0, 0)", nil)
		p.drawn()
		p.screenshot(filepath.Join(dir, scheme+".png"))
		// Frames load later.
		for _, id := range []string{"tools", "detail", "picture"} {
			p.eval("document.getElementById('"+id+"').scrollIntoView()", nil)
			p.drawn()
			p.screenshot(filepath.Join(dir, scheme+"-"+id+".png"))
		}
		p.press("0")
		p.eval("document.getElementById('tools').scrollIntoView()", nil)
		p.drawn()
		p.screenshot(filepath.Join(dir, scheme+"-all.png"))
	}
	b.quiet(t)
}
