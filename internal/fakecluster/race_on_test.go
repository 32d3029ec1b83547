//go:build race

package fakecluster

const raceDetector = true
