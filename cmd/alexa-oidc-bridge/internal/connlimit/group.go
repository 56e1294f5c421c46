package connlimit

import (
	"container/list"
	"net"
	"net/netip"
)

// state is what a connection does.
type state int

const (
	busy  state = iota // a request is served; it is never closed to make room
	idle               // it waits for its next request
	fresh              // it waits for the header of its first request
	states
)

// group is the connections that share a bound.
type group struct {
	limit   int // 0: none
	count   int
	waiting [states]*list.List // of *connection, the oldest first; none is busy
}

func newGroup(limit int) *group {
	return &group{limit: limit, waiting: [states]*list.List{idle: list.New(), fresh: list.New()}}
}

func (g *group) isOver() bool { return g.limit > 0 && g.count > g.limit }

// oldest returns the connection to be closed first, or nil if all are busy.
func (g *group) oldest() *connection {
	for _, s := range []state{idle, fresh} {
		if first := g.waiting[s].Front(); first != nil {
			return first.Value.(*connection)
		}
	}
	return nil
}

// connection is a connection of the server.
type connection struct {
	conn     net.Conn
	network  netip.Prefix // of the peer; zero: it is not limited
	groups   []*group     // that it counts in: its peer's if that is limited, and that of all
	state    state
	elements [2]*list.Element // by group, while it waits
}

// wait sets the state, and puts the connection behind all others that wait in the same.
func (c *connection) wait(s state) {
	for i, g := range c.groups {
		if c.state != busy {
			g.waiting[c.state].Remove(c.elements[i])
		}
		if s != busy {
			c.elements[i] = g.waiting[s].PushBack(c)
		}
	}
	c.state = s
}

func (c *connection) isLimited() bool { return c.network.IsValid() }
