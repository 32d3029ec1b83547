package kvrapid

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// TB makes a test kit work in a property: it returns a testing.TB that reports
// to t and ends with the property's run.
//
//	rapid.Check(t, func(rt *rapid.T) {
//		kit := kvstoretest.New(kvrapid.TB(rt))
//		...
//	})
//
// Methods without a counterpart in rapid, such as Setenv and Chdir, fail the test.
func TB(t *rapid.T) testing.TB { return &propertyTB{t: t} }

// propertyTB is a testing.TB on a *rapid.T. The interface is embedded for its private
// method; the embedded value is always nil.
type propertyTB struct {
	testing.TB
	t *rapid.T
}

func (p *propertyTB) Helper()                           { p.t.Helper() }
func (p *propertyTB) Name() string                      { return p.t.Name() }
func (p *propertyTB) Context() context.Context          { return p.t.Context() }
func (p *propertyTB) Cleanup(fn func())                 { p.t.Cleanup(fn) }
func (p *propertyTB) Failed() bool                      { return p.t.Failed() }
func (p *propertyTB) Fail()                             { p.t.Helper(); p.t.Fail() }
func (p *propertyTB) FailNow()                          { p.t.Helper(); p.t.FailNow() }
func (p *propertyTB) Log(args ...any)                   { p.t.Helper(); p.t.Log(args...) }
func (p *propertyTB) Logf(format string, args ...any)   { p.t.Helper(); p.t.Logf(format, args...) }
func (p *propertyTB) Error(args ...any)                 { p.t.Helper(); p.t.Error(args...) }
func (p *propertyTB) Errorf(format string, args ...any) { p.t.Helper(); p.t.Errorf(format, args...) }
func (p *propertyTB) Fatal(args ...any)                 { p.t.Helper(); p.t.Fatal(args...) }
func (p *propertyTB) Fatalf(format string, args ...any) { p.t.Helper(); p.t.Fatalf(format, args...) }
func (p *propertyTB) Skip(args ...any)                  { p.t.Helper(); p.t.Skip(args...) }
func (p *propertyTB) SkipNow()                          { p.t.Helper(); p.t.SkipNow() }
func (p *propertyTB) Skipf(format string, args ...any)  { p.t.Helper(); p.t.Skipf(format, args...) }

// Skipped implements testing.TB: a run that is skipped does not come back.
func (p *propertyTB) Skipped() bool { return false }

// TempDir implements testing.TB.
func (p *propertyTB) TempDir() string {
	p.t.Helper()
	dir, err := os.MkdirTemp("", "kvrapid")
	if err != nil {
		p.t.Fatalf("TempDir: %v", err)
	}
	p.t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			p.t.Errorf("TempDir: %v", err)
		}
	})
	return dir
}

// Setenv implements testing.TB. It fails the test.
func (p *propertyTB) Setenv(key, _ string) {
	p.t.Helper()
	p.missing(fmt.Sprintf("Setenv(%q)", key))
}

// Chdir implements testing.TB. It fails the test.
func (p *propertyTB) Chdir(dir string) {
	p.t.Helper()
	p.missing(fmt.Sprintf("Chdir(%q)", dir))
}

func (p *propertyTB) missing(call string) {
	p.t.Helper()
	p.t.Fatalf("kvrapid: %s is not available in a property: call it on the test before", call)
}

// Attr implements testing.TB. A run of a property has no attributes.
func (p *propertyTB) Attr(_, _ string) {}

// Output implements testing.TB.
func (p *propertyTB) Output() io.Writer { return p.t.Output() }

// ArtifactDir implements testing.TB. A run of a property keeps no files.
func (p *propertyTB) ArtifactDir() string { return p.TempDir() }
