package kvstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kvsim/kvsim/kvstore"
)

// Reader is what the assertions read from: a *kvstore.Client, or a wrapper
// around one.
type Reader interface {
	GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error)
	RangeEntries(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error]
	Position() int64
}

// WantValue checks that a client's Get returns the value now. It does not wait; for
// that, see [Kit.CaughtUp]. If the check fails, the test fails but continues. The
// message shows the client's position and the last records of the log.
func (k *Kit) WantValue(kv Reader, key, want string) bool {
	k.t.Helper()
	return k.wantEntry(kv, key, quote(want), func(e kvstore.Entry, err error) bool { return err == nil && string(e.Value) == want })
}

func (k *Kit) wantEntry(kv Reader, key, want string, is func(kvstore.Entry, error) bool) bool {
	k.t.Helper()
	ctx, cancel := k.context()
	defer cancel()
	e, err := kv.GetEntry(ctx, []byte(key))
	if is(e, err) {
		return true
	}
	k.t.Errorf("Get(%s) = %s, want %s\n%s", quote(key), gotEntry(e, err), want, k.scene(kv))
	return false
}

// WantMissing checks that a client does not have the key now. Otherwise it is like
// [Kit.WantValue].
func (k *Kit) WantMissing(kv Reader, key string) bool {
	k.t.Helper()
	return k.wantEntry(kv, key, kvstore.ErrNotFound.Error(), func(_ kvstore.Entry, err error) bool { return errors.Is(err, kvstore.ErrNotFound) })
}

// WantContents checks that a client has exactly these keys and values now. Otherwise it
// is like [Kit.WantValue].
func (k *Kit) WantContents(kv Reader, want map[string]string) bool {
	k.t.Helper()
	ctx, cancel := k.context()
	defer cancel()
	got, err := contents(ctx, kv)
	if err != nil {
		k.t.Errorf("Range = %v, want %d keys\n%s", err, len(want), k.scene(kv))
		return false
	}
	if d := difference(got, want); d != "" {
		k.t.Errorf("Range differs from what is wanted:\n%s\n%s", d, k.scene(kv))
		return false
	}
	return true
}

// WantSnapshot checks that a client that has read the whole present log would have
// exactly these keys and values.
func (k *Kit) WantSnapshot(want map[string]string) bool {
	k.t.Helper()
	if d := difference(k.Snapshot(), want); d != "" {
		k.t.Errorf("the log differs from what is wanted:\n%s\n%s", d, k.scene(nil))
		return false
	}
	return true
}

// Contents returns all keys and values that a client shows now.
func (k *Kit) Contents(kv Reader) Entries {
	k.t.Helper()
	ctx, cancel := k.context()
	defer cancel()
	got, err := contents(ctx, kv)
	if err != nil {
		k.fatal("Range of %s: %v\n%s", k.describeName(kv), err, k.scene(kv))
	}
	return got
}

func contents(ctx context.Context, kv Reader) (Entries, error) {
	var out Entries
	for e, err := range kv.RangeEntries(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func gotEntry(e kvstore.Entry, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s (revision %d)", quote(string(e.Value)), e.Revision)
}

// mostDifferences is how many keys a message names.
const mostDifferences = 10

// difference describes, in one line for each key, how got differs from want.
func difference(got Entries, want map[string]string) string {
	var lines []string
	seen := map[string]bool{}
	for _, e := range got {
		key := string(e.Key)
		seen[key] = true
		switch v, ok := want[key]; {
		case !ok:
			lines = append(lines, fmt.Sprintf("    %s = %s, want no such key", quote(key), gotEntry(e, nil)))
		case v != string(e.Value):
			lines = append(lines, fmt.Sprintf("    %s = %s, want %s", quote(key), gotEntry(e, nil), quote(v)))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if !seen[key] {
			lines = append(lines, fmt.Sprintf("    %s is missing, want %s", quote(key), quote(want[key])))
		}
	}
	if more := len(lines) - mostDifferences; more > 0 {
		lines = append(lines[:mostDifferences], fmt.Sprintf("    and %d more", more))
	}
	if len(lines) == 0 && !slices.IsSortedFunc(got, func(a, b kvstore.Entry) int { return bytes.Compare(a.Key, b.Key) }) {
		return "    the keys are not in ascending order: " + got.String()
	}
	return strings.Join(lines, "\n")
}

// sceneRecords is how many records of the log a message shows.
const sceneRecords = 8

// scene describes a client and the end of the log, for a message. A nil reader
// leaves the client out.
func (k *Kit) scene(kv Reader) string {
	var b strings.Builder
	position := int64(-1)
	if kv != nil {
		position = kv.Position()
		fmt.Fprintf(&b, "    client %s at position %d", k.describeName(kv), position)
		if s, ok := kv.(interface{ Status() kvstore.Status }); ok {
			status := s.Status()
			fmt.Fprintf(&b, ", %v", status.State)
			if status.Err != nil {
				fmt.Fprintf(&b, ": %v", status.Err)
			}
		}
		b.WriteByte('\n')
	}
	log, err := k.readLog()
	if err != nil {
		fmt.Fprintf(&b, "    the log can't be read: %v", err)
		return b.String()
	}
	if len(log) == 0 {
		b.WriteString("    the log is empty")
		return b.String()
	}
	shown := log[max(0, len(log)-sceneRecords):]
	fmt.Fprintf(&b, "    the last %d of %d records of the log:", len(shown), len(log))
	for _, r := range shown {
		fmt.Fprintf(&b, "\n        %s", r)
		if kv != nil && r.Offset >= position {
			b.WriteString(" (not applied yet)")
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range k.faults {
		if f.active() {
			hits := strconv.Itoa(f.Hits()) + " hits"
			if hits == "1 hits" {
				hits = "1 hit"
			}
			fmt.Fprintf(&b, "\n    fault: %s, %s", f.text, hits)
		}
	}
	return b.String()
}

// describeName returns the quoted name of a client, or its type.
func (k *Kit) describeName(kv any) string {
	if name := k.nameOf(kv); name != "" {
		return quote(name)
	}
	return fmt.Sprintf("of type %T", kv)
}
