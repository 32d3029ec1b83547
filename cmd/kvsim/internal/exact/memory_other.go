//go:build !unix

package exact

import "context"

// withMemory leaves the choice to wazero, which copies memory as it grows.
func withMemory(ctx context.Context) context.Context { return ctx }
