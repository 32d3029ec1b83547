package sim

import (
	"slices"
	"sync"
)

// A note tells other clients of an acknowledged write.
type note struct {
	client   string
	key      string
	revision int64
}

// A board has the newest note of each client, like revisions handed from one program to
// another.
type board struct {
	mu    sync.Mutex
	notes []note
}

func (b *board) post(n note) {
	if n.revision < 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = append(slices.DeleteFunc(b.notes, func(o note) bool { return o.client == n.client }), n)
}

// read returns the newest note of another client.
func (b *board) read(client string) (note, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.notes) - 1; i >= 0; i-- {
		if b.notes[i].client != client {
			return b.notes[i], true
		}
	}
	return note{}, false
}

// clear forgets all notes: their log no longer exists.
func (b *board) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = nil
}
