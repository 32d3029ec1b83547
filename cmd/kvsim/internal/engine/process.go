package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// dumpTime is how long a worker has to print its goroutines before it is killed.
const dumpTime = 5 * time.Second

// process is a worker as the pool sees it. It is not safe for concurrent use.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	output *ends
	worlds int // worlds that it has run
}

// errGone says that the worker ended without an answer.
var errGone = errors.New("the worker ended")

// startTime is how long a worker has to say that it is ready.
const startTime = time.Minute

// startProcess starts a worker and waits until it is ready, for at most limit.
func startProcess(ctx context.Context, program string, env []string, limit time.Duration) (*process, error) {
	p := &process{cmd: exec.Command(program), output: new(ends)}
	p.cmd.Env = append(append(os.Environ(), env...), workerEnv+"=1")
	p.cmd.Stderr = p.output
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()
	watchdog := time.AfterFunc(limit, p.kill)
	defer watchdog.Stop()
	var hello response
	if err := receive(p.out, &hello); err != nil || !hello.Ready {
		p.kill()
		p.wait()
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, fmt.Errorf("%s does not answer as a worker (its main must call engine.Serve first): %s\n%s",
			program, p.cmd.ProcessState, p.output)
	}
	return p, nil
}

// limits bounds a world, and then its judging, in real time.
type limits struct{ world, judging time.Duration }

// do runs one world. The error is errGone or errWall if the worker is lost, the cause of ctx
// if ctx has ended, and otherwise the error in the answer. If there is an error and the world
// was already being judged, known is what is known about its result.
func (p *process) do(ctx context.Context, req request, limit limits) (result, known *world.Result, err error) {
	var late atomic.Bool
	tooLate := func() {
		late.Store(true)
		p.quit()
	}
	watchdog := time.AfterFunc(limit.world, tooLate)
	defer func() { watchdog.Stop() }()
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()

	p.worlds++
	var answer response
	err = send(p.in, req)
	for err == nil {
		answer = response{}
		if err = receive(p.out, &answer); answer.Judging == nil {
			break
		}
		if known == nil {
			if !watchdog.Stop() {
				continue // too late: the worker is being ended
			}
			watchdog = time.AfterFunc(limit.judging, tooLate)
		}
		known = answer.Judging
	}
	switch {
	case err == nil && stop():
		result, err = answer.outcome()
		return result, known, err
	case ctx.Err() != nil:
		p.wait()
		return nil, known, context.Cause(ctx)
	}
	// The pipes fail only when the worker ends, or if it writes nonsense.
	p.closeOrKill()
	p.wait()
	if late.Load() {
		return nil, known, errWall
	}
	return nil, known, fmt.Errorf("%w: %w", errGone, err)
}

// errWall says that the worker was killed because it took too long.
var errWall = errors.New("the worker was killed")

// quit makes the worker print its goroutines and exit, or kills it.
func (p *process) quit() {
	if p.cmd.Process.Signal(syscall.SIGQUIT) != nil {
		p.kill()
		return
	}
	time.AfterFunc(dumpTime, p.kill)
}

func (p *process) kill() { _ = p.cmd.Process.Kill() }

// closeOrKill ends a worker that may still be running. A worker that is ending gets the time
// to print why.
func (p *process) closeOrKill() {
	_ = p.in.Close()
	timer := time.AfterFunc(dumpTime, p.kill)
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, p.out)
}

// wait waits for the end of a worker that has been told to end.
func (p *process) wait() {
	_ = p.in.Close()
	_, _ = io.Copy(io.Discard, p.out)
	_ = p.cmd.Wait()
}

// close ends an idle worker.
func (p *process) close() {
	p.wait()
}
