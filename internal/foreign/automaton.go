package foreign

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
)

// The visible ASCII characters are the alphabet.
const (
	firstByte = 0x21
	lastByte  = 0x7e
	letters   = lastByte - firstByte + 1
)

// How large an automaton may become. A pattern of the language that needs more can be
// written in another way.
const (
	maxNodes  = 20_000
	maxStates = 20_000
)

var errTooComplex = errors.New("the patterns are too complex: write them without alternatives of unlike lengths")

// set is a set of letters.
type set [letters]bool

// node is a state of the nondeterministic automaton. A letter of set leads to then; each
// of free is reached without a letter.
type node struct {
	letters *set
	then    int
	free    []int
	label   int // of the pattern that ends here; noLabel: none
}

const noLabel = -1

// builder builds one nondeterministic automaton from patterns. Node 0 is the start of all
// of them.
type builder struct{ nodes []node }

func newBuilder() *builder { return &builder{nodes: []node{{label: noLabel}}} }

func (b *builder) add(n node) int {
	b.nodes = append(b.nodes, n)
	return len(b.nodes) - 1
}

// addPattern adds a pattern that matches all of a value, under label. A pattern outside
// the language is an error; so are unbounded repetitions and values of a length that a
// shape must not have, unless the pattern is one of bearerd's own.
func (b *builder) addPattern(pattern string, label int, own bool) error {
	if len(pattern) > maxSource && !own {
		return fmt.Errorf("must have at most %d characters", maxSource)
	}
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return fmt.Errorf("is not a regular expression: %w", err)
	}
	re = re.Simplify()
	if !own {
		low, high, err := lengths(re)
		switch {
		case err != nil:
			return err
		case low < MinLength:
			return fmt.Errorf("matches values of %d characters: the shortest must have %d, or a value could be guessed", low, MinLength)
		case high > MaxLength:
			return fmt.Errorf("matches values of %d characters: the longest may have %d", high, MaxLength)
		}
	}
	end := b.add(node{label: label})
	start, err := b.build(re, end)
	if err != nil {
		return err
	}
	b.nodes[0].free = append(b.nodes[0].free, start)
	return nil
}

// lengths returns how many characters the shortest and the longest value of a pattern has.
func lengths(re *syntax.Regexp) (low, high int, err error) {
	switch re.Op { //nolint:exhaustive // what follows is for all others
	case syntax.OpLiteral:
		return len(re.Rune), len(re.Rune), nil
	case syntax.OpCharClass:
		return 1, 1, nil
	case syntax.OpCapture:
		return lengths(re.Sub[0])
	case syntax.OpQuest:
		_, high, err = lengths(re.Sub[0])
		return 0, high, err
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			l, h, err := lengths(sub)
			if err != nil {
				return 0, 0, err
			}
			low, high = low+l, high+h
		}
		return low, high, nil
	case syntax.OpAlternate:
		for i, sub := range re.Sub {
			l, h, err := lengths(sub)
			if err != nil {
				return 0, 0, err
			}
			if i == 0 || l < low {
				low = l
			}
			high = max(high, h)
		}
		return low, high, nil
	case syntax.OpEmptyMatch:
		return 0, 0, nil
	case syntax.OpStar, syntax.OpPlus:
		return 0, 0, errors.New("has a repetition without an upper bound: write {20,64} and not +, * or {20,}")
	}
	return 0, 0, notInLanguage(re)
}

// notInLanguage returns an error about what is not in the language.
func notInLanguage(re *syntax.Regexp) error {
	switch re.Op { //nolint:exhaustive // what follows is for all others
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText:
		return errors.New("always matches all of the value: leave ^ and $ out")
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return errors.New("must not have a dot, which is any character: name the class, such as [A-Za-z0-9]")
	case syntax.OpNoMatch:
		return errors.New("matches nothing")
	}
	return fmt.Errorf("may have characters, classes, groups, alternatives and bounded repetitions alone, not %s", re)
}

// build adds the nodes of a pattern that goes on at next, and returns the first of them.
func (b *builder) build(re *syntax.Regexp, next int) (int, error) {
	if len(b.nodes) > maxNodes {
		return 0, errTooComplex
	}
	switch re.Op { //nolint:exhaustive // what follows is for all others
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return 0, errors.New("must not ignore case: write both, such as [Aa]")
		}
		for _, r := range slices.Backward(re.Rune) {
			s, err := setOf([]rune{r, r})
			if err != nil {
				return 0, err
			}
			next = b.add(node{letters: s, then: next, label: noLabel})
		}
		return next, nil
	case syntax.OpCharClass:
		s, err := setOf(re.Rune)
		if err != nil {
			return 0, err
		}
		return b.add(node{letters: s, then: next, label: noLabel}), nil
	case syntax.OpCapture:
		return b.build(re.Sub[0], next)
	case syntax.OpEmptyMatch:
		return next, nil
	case syntax.OpConcat:
		var err error
		for _, sub := range slices.Backward(re.Sub) {
			if next, err = b.build(sub, next); err != nil {
				return 0, err
			}
		}
		return next, nil
	case syntax.OpAlternate, syntax.OpQuest, syntax.OpStar, syntax.OpPlus:
		return b.buildChoice(re, next)
	}
	return 0, notInLanguage(re)
}

// buildChoice adds a node that has several ways on.
func (b *builder) buildChoice(re *syntax.Regexp, next int) (int, error) {
	choice := b.add(node{label: noLabel})
	after := next
	if re.Op == syntax.OpStar || re.Op == syntax.OpPlus {
		after = choice // once more
	}
	var ways []int
	for _, sub := range re.Sub {
		way, err := b.build(sub, after)
		if err != nil {
			return 0, err
		}
		ways = append(ways, way)
	}
	first := choice
	switch re.Op { //nolint:exhaustive // what follows is for all others
	case syntax.OpPlus:
		first = ways[0] // at least once
		ways = append(ways, next)
	case syntax.OpQuest, syntax.OpStar:
		ways = append(ways, next)
	}
	b.nodes[choice].free = ways
	return first, nil
}

// setOf returns the letters of a class, which is pairs of its first and last characters.
func setOf(pairs []rune) (*set, error) {
	var s set
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] < firstByte || pairs[i+1] > lastByte {
			return nil, errors.New("may match visible ASCII characters alone: a class that leaves some out, [^x], and \\s match others")
		}
		for r := pairs[i]; r <= pairs[i+1]; r++ {
			s[r-firstByte] = true
		}
	}
	return &s, nil
}

// automaton is deterministic. State 0 is where nothing more can match, 1 is the first.
type automaton struct {
	next   []uint16 // by state and letter
	accept []int8   // by state: the label that ends there; noLabel: none
}

// match returns the label of the pattern that matches all of raw.
func (a *automaton) match(raw string) (label int, ok bool) {
	state := 1
	for i := range len(raw) {
		c := int(raw[i]) - firstByte
		if c < 0 || c >= letters {
			return 0, false
		}
		if state = int(a.next[state*letters+c]); state == 0 {
			return 0, false
		}
	}
	label = int(a.accept[state])
	return label, label != noLabel
}

// overlap is two patterns that match one value.
type overlap struct {
	first, second int // labels, the lesser first; second is 0 when there is none
	value         string
}

// determinizer makes the automaton, breadth first, so that the first value that leads to
// a state is one of the shortest.
type determinizer struct {
	b      *builder
	auto   automaton
	known  map[string]uint16 // states by the nodes that they represent
	states [][]int
	from   []uint16 // the state before, on the way that found it
	by     []byte   // the letter
}

// determinize returns the automaton that accepts what the patterns with a label beneath
// shapes match, or two patterns, one of them such, that match the same value.
func (b *builder) determinize(shapes int) (automaton, overlap, error) {
	d := &determinizer{b: b, known: map[string]uint16{}}
	d.state(nil, 0, 0)
	d.state(b.closure([]int{0}), 0, 0)
	for state := 1; state < len(d.states); state++ {
		if both, found := d.accepted(state, shapes); found {
			return automaton{}, both, nil
		}
		for c := range letters {
			var reached []int
			for _, n := range d.states[state] {
				if node := &b.nodes[n]; node.letters != nil && node.letters[c] {
					reached = append(reached, node.then)
				}
			}
			next := uint16(0)
			if len(reached) > 0 {
				next = d.state(b.closure(reached), state, byte(firstByte+c))
			}
			d.auto.next[state*letters+c] = next
		}
		if len(d.states) > maxStates {
			return automaton{}, overlap{}, errTooComplex
		}
	}
	return d.auto, overlap{}, nil
}

// accepted notes which pattern ends in a state, and reports whether there are two, one of
// them a shape.
func (d *determinizer) accepted(state, shapes int) (overlap, bool) {
	var labels []int
	for _, n := range d.states[state] {
		if l := d.b.nodes[n].label; l != noLabel {
			labels = append(labels, l)
		}
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	if len(labels) == 0 || labels[0] >= shapes {
		return overlap{}, false
	}
	d.auto.accept[state] = int8(labels[0]) //nolint:gosec // there are few dozen
	if len(labels) == 1 {
		return overlap{}, false
	}
	var value []byte
	for s := state; s > 1; s = int(d.from[s]) {
		value = append(value, d.by[s])
	}
	slices.Reverse(value)
	return overlap{first: labels[0], second: labels[1], value: string(value)}, true
}

// state returns the state that represents nodes, and adds it when it is new.
func (d *determinizer) state(nodes []int, from int, by byte) uint16 {
	key := make([]byte, 0, 2*len(nodes))
	for _, n := range nodes {
		key = binary.LittleEndian.AppendUint16(key, uint16(n)) //nolint:gosec // at most maxNodes, and what a pattern adds beyond
	}
	if s, ok := d.known[string(key)]; ok && len(d.states) > 0 {
		return s
	}
	s := uint16(len(d.states)) //nolint:gosec // at most maxStates and the letters of one
	d.known[string(key)] = s
	d.states, d.from, d.by = append(d.states, nodes), append(d.from, uint16(from)), append(d.by, by) //nolint:gosec // likewise
	d.auto.next = append(d.auto.next, make([]uint16, letters)...)
	d.auto.accept = append(d.auto.accept, noLabel)
	return s
}

// closure returns nodes with all that are reached from them without a letter, in order.
func (b *builder) closure(nodes []int) []int {
	seen := map[int]bool{}
	for len(nodes) > 0 {
		n := nodes[len(nodes)-1]
		nodes = nodes[:len(nodes)-1]
		if !seen[n] {
			seen[n] = true
			nodes = append(nodes, b.nodes[n].free...)
		}
	}
	all := make([]int, 0, len(seen))
	for n := range seen {
		if b.nodes[n].letters != nil || b.nodes[n].label != noLabel {
			all = append(all, n) // the others only lead further
		}
	}
	slices.Sort(all)
	return all
}
