package kvstore

import (
	"log/slog"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// NewReader returns a client of which only the reads work: they are answered
// from s as those of a real client are, with no log behind them.
func NewReader(s Storage) *Client {
	return &Client{gate: position.NewGate(), view: newView(s, slog.New(slog.DiscardHandler)), hooks: &hooks{}}
}
