// SPDX-License-Identifier: GPL-2.0

// The speed lab's peer go-sync.Pool: the cases of the kernel module that make
// sense here, in the same form.
//
//	bench ROUNDS ITERATIONS [CASE]...
package main

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"time"
)

const (
	burst = 64
	batch = 16 // objects that go through the channel at a time
)

var sizes = func() (s [1024]int) {
	r := rand.New(rand.NewSource(1))
	for i := range s {
		s[i] = 1 + r.Intn(largest)
	}
	return
}()

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func pair(n int) {
	for i := 0; i < n; i++ {
		must(release(acquire(smallest)))
	}
}

func bursts(n int) {
	var held [burst]*buffer
	for ; n > 0; n -= burst {
		for i := range held {
			held[i] = acquire(smallest)
		}
		for i := range held {
			must(release(held[i]))
		}
	}
}

func mixed(n int) {
	for i := 0; i < n; i++ {
		must(release(acquire(sizes[i%len(sizes)])))
	}
}

// twoCPUs does n pairs on each of two threads; together they did 2n.
func twoCPUs(n int) {
	var both sync.WaitGroup
	both.Add(2)
	for i := 0; i < 2; i++ {
		go func() {
			pair(n)
			both.Done()
		}()
	}
	both.Wait()
}

func produceConsume(n int) {
	channel := make(chan [batch]*buffer, 256/batch)
	go func() {
		for ; n > 0; n -= batch {
			var some [batch]*buffer
			for i := range some {
				some[i] = acquire(smallest)
			}
			channel <- some
		}
		close(channel)
	}()
	for some := range channel {
		for _, b := range some {
			must(release(b))
		}
	}
}

type benchCase struct {
	name string
	cpus int
	each int // operations of one iteration
	run  func(n int)
}

var cases = []benchCase{
	{"pair", 1, 1, pair},
	{"burst64", 1, 1, bursts},
	{"mixed", 1, 1, mixed},
	{"two-cpus", 2, 2, twoCPUs},
	{"producer-consumer", 2, 1, produceConsume},
}

// measure prints the quartiles of the rounds, in ns per operation.
func measure(c benchCase, rounds, iterations int) {
	runtime.GOMAXPROCS(c.cpus)
	times := make([]float64, rounds)
	c.run(iterations)
	for i := range times {
		start := time.Now()
		c.run(iterations)
		times[i] = float64(time.Since(start).Nanoseconds()) / float64(iterations*c.each)
	}
	sort.Float64s(times)
	fmt.Printf("bench case=%s peer=go-sync.Pool cpus=%d rounds=%d iterations=%d theirs=%.2f theirs_low=%.2f theirs_high=%.2f\n",
		c.name, c.cpus, rounds, iterations, times[rounds/2], times[rounds/4],
		times[rounds-1-rounds/4])
}

func wanted(name string, names []string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return len(names) == 0
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: bench ROUNDS ITERATIONS [CASE]...")
		os.Exit(2)
	}
	rounds, err := strconv.Atoi(os.Args[1])
	must(err)
	iterations, err := strconv.Atoi(os.Args[2])
	must(err)
	if rounds < 1 || iterations < burst {
		must(fmt.Errorf("too few: %d rounds, %d iterations", rounds, iterations))
	}
	iterations -= iterations % burst
	for _, c := range cases {
		if wanted(c.name, os.Args[3:]) {
			measure(c, rounds, iterations)
		}
	}
}
