package kvstore

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore/internal/brief"
)

// briefLogger is the user's logger of franz-go's messages. They quote what brokers say, and
// how they are called, at any length, so each value is cut.
type briefLogger struct{ kgo.Logger }

// Log is part of kgo.Logger.
func (l briefLogger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	short := make([]any, len(keyvals))
	for i, v := range keyvals {
		short[i] = brief.Value(v)
	}
	l.Logger.Log(level, msg, short...)
}

// briefLogging returns the user's options, with a logger that cuts texts if they have one. If an
// option behind it can't be named, it may be a logger too, and the options stay as they are.
func briefLogging(user []kgo.Opt) []kgo.Opt {
	for _, opt := range slices.Backward(user) {
		name, ok := nameOf(opt)
		switch {
		case !ok:
			return user
		case name == "kgo.WithLogger":
			if l := loggerOf(opt); l != nil {
				return append(slices.Clip(user), kgo.WithLogger(briefLogger{l}))
			}
			return user
		}
	}
	return user
}

// loggerOf returns the logger that an option has, nil for none. An option can't be asked for it,
// but a client can, which has no other option and is closed.
func loggerOf(opt kgo.Opt) kgo.Logger {
	cl, err := kgo.NewClient(opt)
	if err != nil {
		return nil
	}
	cl.Close()
	l, _ := cl.OptValue(kgo.WithLogger).(kgo.Logger)
	return l
}
