// Replays keys through golang/groupcache whenever a line "from count threads" comes in; answers with the nanoseconds.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/golang/groupcache"
)

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	bound, valueBytes, keyBytes := number(os.Args[2]), number(os.Args[3]), number(os.Args[4])
	value := make([]byte, valueBytes)
	getter := func(ctx context.Context, key string, sink groupcache.Sink) error { return sink.SetBytes(value) }
	group := groupcache.NewGroup("bench", int64(bound), groupcache.GetterFunc(getter))
	all := string(text)
	replay := func(from, count int) byte {
		var sum byte
		ctx := context.Background()
		for i := from; i < from+count; i++ {
			var view groupcache.ByteView
			if err := group.Get(ctx, all[i*keyBytes:(i+1)*keyBytes], groupcache.ByteViewSink(&view)); err != nil {
				panic(err)
			}
			sum += view.At(0)
		}
		return sum
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var from, count, threads int
		if _, err := fmt.Sscan(lines.Text(), &from, &count, &threads); err != nil {
			panic(err)
		}
		start := time.Now()
		var wait sync.WaitGroup
		for thread := 0; thread < threads; thread++ {
			wait.Add(1)
			go func(thread int) {
				defer wait.Done()
				replay(from+thread*count, count)
			}(thread)
		}
		wait.Wait()
		fmt.Println(time.Since(start).Nanoseconds())
	}
}
