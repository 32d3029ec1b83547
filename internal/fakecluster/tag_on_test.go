//go:build synctests

package fakecluster

const synctests = true
