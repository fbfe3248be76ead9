// A peer written in Go, for clusters of Go and Rust.
//
// It loads values by the rules of `load` below, from one group called `scores`. Build it with Debian's packages golang-go and
// golang-github-golang-groupcache-dev:
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o go-peer ./tests/interop/peer
//
// By hand, it answers each key that is typed:
//
//	./go-peer -protocol groupcache -listen 127.0.0.1:9001 -peers http://127.0.0.1:9001,http://127.0.0.1:9002
//
// Under a test, `-control ADDRESS`, it connects there, says its URL, and obeys. A message is a line, of a word and the lengths
// of what it comes with, and then that: a command comes with its arguments, an answer is `ok` or `error` with what there is to
// say. It ends when the connection does.
//
//	peers URL…   the list of all peers, this one included
//	owner KEY…   the owner of each key
//	get KEY      the value, wherever it comes from
//	loads KEY    how often this process loaded the key, in decimal
//	set KEY VALUE, remove KEY…
//	             a change at all peers, where the protocol has it
//
// The forks of groupcache, `-protocol mailgun`, `groupcache-go` and `galaxycache`, are played here: the program then does what
// they do, as far as other peers see. With the build tag `forks` it is made of the forks themselves. GOPATH then has to hold
// them and what they import, github.com/mailgun/groupcache/v2 among them.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
)

const groupName = "scores"

// A peer is one way of taking part in a cluster.
type peer interface {
	http.Handler
	// join tells it who is in the cluster.
	join(peers []string)
	owner(key string) string
	get(key string) ([]byte, error)
}

var peersByProtocol = map[string]func(self string) peer{
	"groupcache":        newGroupcachePeer,
	"geecache":          func(self string) peer { return newGeecachePeer(self, rawBody{}) },
	"geecache-protobuf": func(self string) peer { return newGeecachePeer(self, protobufBody{}) },
}

func main() {
	log.SetFlags(0)
	names := make([]string, 0, len(peersByProtocol))
	for name := range peersByProtocol {
		names = append(names, name)
	}
	sort.Strings(names)
	protocol := flag.String("protocol", "groupcache", strings.Join(names, ", "))
	listen := flag.String("listen", "127.0.0.1:0", "address for other peers")
	list := flag.String("peers", "", "URLs of all peers, parted by commas")
	control := flag.String("control", "", "address of a test that controls this peer")
	flag.Parse()

	newPeer := peersByProtocol[*protocol]
	if newPeer == nil {
		log.Fatalf("no protocol %q", *protocol)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	self := "http://" + listener.Addr().String()
	peer := newPeer(self)
	go func() { log.Fatal(http.Serve(listener, peer)) }()

	if *control != "" {
		err = obey(*control, self, peer)
	} else {
		err = answerByHand(self, strings.Split(*list, ","), peer)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func answerByHand(self string, peers []string, peer peer) error {
	sort.Strings(peers)
	peer.join(peers)
	fmt.Printf("%s serves; type a key\n", self)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		key := lines.Text()
		if value, err := peer.get(key); err != nil {
			fmt.Printf("%s: %v\n", key, err)
		} else {
			fmt.Printf("%s = %s (owner %s)\n", key, value, peer.owner(key))
		}
	}
	return lines.Err()
}

func obey(address, self string, peer peer) error {
	test, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer test.Close()
	commands := bufio.NewReader(test)
	word, answers := "ok", []string{self}
	for {
		if err := send(test, word, answers...); err != nil {
			return err
		}
		command, args, err := receive(commands)
		if err != nil {
			// The test is over.
			return nil
		}
		word = "ok"
		if answers, err = execute(peer, command, args); err != nil {
			word, answers = "error", []string{err.Error()}
		}
	}
}

func send(to io.Writer, word string, rest ...string) error {
	message := word
	for _, part := range rest {
		message += fmt.Sprintf(" %d", len(part))
	}
	_, err := io.WriteString(to, message+"\n"+strings.Join(rest, ""))
	return err
}

func receive(from *bufio.Reader) (word string, rest []string, err error) {
	line, err := from.ReadString('\n')
	if err != nil {
		return "", nil, err
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return "", nil, errors.New("an empty line")
	}
	for _, length := range words[1:] {
		n, err := strconv.Atoi(length)
		if err != nil {
			return "", nil, err
		}
		part := make([]byte, n)
		if _, err := io.ReadFull(from, part); err != nil {
			return "", nil, err
		}
		rest = append(rest, string(part))
	}
	return words[0], rest, nil
}

func execute(peer peer, command string, args []string) ([]string, error) {
	switch {
	case command == "peers":
		// Owners of equal points depend on the order here; everybody else sorts.
		sort.Strings(args)
		peer.join(args)
		return nil, nil
	case command == "owner":
		for i, key := range args {
			args[i] = peer.owner(key)
		}
		return args, nil
	case command == "get" && len(args) == 1:
		value, err := peer.get(args[0])
		return []string{string(value)}, err
	case command == "loads" && len(args) == 1:
		return []string{strconv.Itoa(loaded.count(args[0]))}, nil
	}
	if ok, err := change(peer, command, args); ok {
		return nil, err
	}
	return nil, fmt.Errorf("no command %q with %d arguments", command, len(args))
}

var loaded = counter{counts: make(map[string]int)}

// load is the slow source of truth. The Rust peers have the same.
func load(key string) ([]byte, error) {
	loaded.add(key)
	switch {
	case strings.HasPrefix(key, "fails"):
		return nil, fmt.Errorf("the source failed for %s", key)
	case strings.HasPrefix(key, "empty"):
		return nil, nil
	case strings.HasPrefix(key, "large"):
		return []byte(strings.Repeat(key+"\n", 1+(1<<20)/len(key))), nil
	case strings.HasPrefix(key, "huge"):
		return []byte(strings.Repeat(key+"\n", 1+(11<<20)/len(key))), nil
	}
	return []byte("value of " + key), nil
}

type counter struct {
	mutex  sync.Mutex
	counts map[string]int
}

func (c *counter) add(key string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.counts[key]++
}

func (c *counter) count(key string) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.counts[key]
}
