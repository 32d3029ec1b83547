//go:build !race

package fakecluster

const raceDetector = false
