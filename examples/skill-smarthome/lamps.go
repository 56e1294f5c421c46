package main

import "sync"

// lamps are the lamps of everybody. The zero value has one in each kitchen, which is off.
type lamps struct {
	mu sync.Mutex
	on map[string]bool // by the key of the person
}

const kitchenLamp = "kitchen-lamp" // the endpoint

func (l *lamps) turn(person string, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on == nil {
		l.on = map[string]bool{}
	}
	l.on[person] = on
}

// state returns the value of the property powerState.
func (l *lamps) state(person string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.on[person] {
		return "ON"
	}
	return "OFF"
}
