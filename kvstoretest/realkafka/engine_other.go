//go:build !unix

package realkafka

// processLives can't tell here, so nothing is taken for stale.
func processLives(int) bool { return true }
