package main

import (
	"errors"
	"strings"
	"time"
)

// errAbsent says that there is no such key.
var errAbsent = errors.New("there is no such key")

// loadForFork is load for the peers of forks, which know when a value ends, and that a key does not exist. Zero is no end.
func loadForFork(key string) (value []byte, end time.Time, err error) {
	if strings.HasPrefix(key, "absent") {
		loaded.add(key)
		return nil, end, errAbsent
	}
	value, err = load(key)
	if strings.HasPrefix(key, "brief") {
		end = time.Now().Add(time.Hour)
	}
	return value, end, err
}

// A changer is a peer that can change what all peers have.
type changer interface {
	set(key string, value []byte) error
	remove(key string) error
}

// A keysRemover is one that can remove many keys at once.
type keysRemover interface {
	removeKeys(keys []string) error
}

// change makes the change that a command asks for; false if it is none.
func change(peer peer, command string, args []string) (bool, error) {
	if peer, ok := peer.(changer); ok {
		switch {
		case command == "set" && len(args) == 2:
			return true, peer.set(args[0], []byte(args[1]))
		case command == "remove" && len(args) == 1:
			return true, peer.remove(args[0])
		}
	}
	if peer, ok := peer.(keysRemover); ok && command == "remove" {
		return true, peer.removeKeys(args)
	}
	return false, nil
}
