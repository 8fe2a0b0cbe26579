// SPDX-License-Identifier: GPL-2.0

// The contender that is the Go program's pool (../go/pool.go), as worker.h wants
// it: it can do "pair".
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

const warmUp = 4096

func pairs(size, n int) bool {
	for i := 0; i < n; i++ {
		if release(acquire(size)) != nil {
			return false
		}
	}
	return true
}

// pairsOn does n pairs on each of so many threads at once. It returns the
// nanoseconds of one, or -1.
func pairsOn(threads, size, n int) float64 {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ok := make([]bool, threads)
	ready.Add(threads)
	done.Add(threads)
	for i := range ok {
		go func(ok *bool) {
			runtime.LockOSThread()
			*ok = pairs(size, warmUp)
			ready.Done()
			<-start
			*ok = *ok && pairs(size, n)
			done.Done()
		}(&ok[i])
	}
	ready.Wait()
	begin := time.Now()
	close(start)
	done.Wait()
	ns := float64(time.Since(begin).Nanoseconds())
	for _, each := range ok {
		if !each {
			return -1
		}
	}
	return ns / float64(n*threads)
}

func answer(line string) string {
	var size, threads, n int
	_, err := fmt.Sscanf(line, "pair %d %d %d", &size, &threads, &n)
	if err != nil || size < 1 || threads < 1 || n < 1 {
		return "failed"
	}
	ns := pairsOn(threads, size, n)
	if ns < 0 {
		return "failed"
	}
	return fmt.Sprintf("%.4f", ns)
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fmt.Println(answer(in.Text()))
	}
}
