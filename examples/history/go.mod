module example.com/history

go 1.26.0

replace github.com/kvsim/kvsim => ../..

require (
	github.com/kvsim/kvsim v0.0.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
)

require (
	github.com/anishathalye/porcupine v1.3.1 // indirect
	golang.org/x/text v0.14.0 // indirect
)
