package sim

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// kafkaLog hands what franz-go logs to a slog.Logger.
type kafkaLog struct{ *slog.Logger }

// Level implements kgo.Logger.
func (l kafkaLog) Level() kgo.LogLevel {
	ctx := context.Background()
	switch {
	case l.Enabled(ctx, slog.LevelDebug):
		return kgo.LogLevelDebug
	case l.Enabled(ctx, slog.LevelInfo):
		return kgo.LogLevelInfo
	case l.Enabled(ctx, slog.LevelWarn):
		return kgo.LogLevelWarn
	case l.Enabled(ctx, slog.LevelError):
		return kgo.LogLevelError
	}
	return kgo.LogLevelNone
}

// Log implements kgo.Logger.
func (l kafkaLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	to := map[kgo.LogLevel]slog.Level{
		kgo.LogLevelError: slog.LevelError, kgo.LogLevelWarn: slog.LevelWarn,
		kgo.LogLevelInfo: slog.LevelInfo, kgo.LogLevelDebug: slog.LevelDebug,
	}
	l.Logger.Log(context.Background(), to[level], "kgo: "+msg, keyvals...) //nolint:sloglint // the message is franz-go's
}
