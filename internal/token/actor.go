package token

import (
	"errors"

	"github.com/bearerd/bearerd/internal/strictjson"
)

// The limits of a token's actors. A client's id has up to 255 bytes.
const (
	MaxActors  = 4
	maxActorID = 255
)

var errActor = errors.New("act isn't an object of sub, or of sub and act, at most 4 deep")

// Actor is the claim act (RFC 8693 §4.1) as JSON.
type Actor struct {
	Subject string `json:"sub"`
	Act     *Actor `json:"act,omitempty"`
}

// ActorOf returns the claim for a list of actors, the current one first; nil for none.
func ActorOf(actors []string) *Actor {
	if len(actors) == 0 {
		return nil
	}
	return &Actor{Subject: actors[0], Act: ActorOf(actors[1:])}
}

// ParseActors reads the claim act from the JSON of its value, as strictly as Verify does,
// and returns the actors, the current one first.
func ParseActors(text []byte) ([]string, error) {
	actors := []string{""}
	err := strictjson.ReadObject(string(text), 2*MaxActors, func(p *strictjson.Scanner, name string) (err error) {
		actors, err = actorMember(p, name, actors, 0)
		return err
	})
	if err == nil {
		err = checkActor(actors[0])
	}
	if err != nil {
		return nil, err
	}
	return actors, nil
}

// readActors reads an object of the claim act and appends its actor, and those within, to
// a list.
func readActors(p *strictjson.Scanner, actors []string) ([]string, error) {
	at := len(actors)
	if at == MaxActors || p.Peek() != '{' {
		return nil, errActor
	}
	actors = append(actors, "")
	err := p.Object(func(name string) (err error) {
		actors, err = actorMember(p, name, actors, at)
		return err
	})
	if err == nil {
		err = checkActor(actors[at])
	}
	return actors, err
}

// actorMember reads a member of the actor at an index of the list.
func actorMember(p *strictjson.Scanner, name string, actors []string, at int) (_ []string, err error) {
	switch name {
	case "sub":
		actors[at], err = p.Text()
		return actors, err
	case "act":
		return readActors(p, actors)
	}
	return nil, errActor // another member may say who it is, in a way that isn't judged
}

func checkActor(subject string) error {
	if subject == "" || len(subject) > maxActorID {
		return errActor
	}
	return nil
}

// actors appends the claim act.
func (w *writer) actors(list []string) {
	for i, subject := range list {
		if i > 0 {
			*w = append(*w, `,"act":`...)
		}
		*w = append(*w, `{"sub":`...)
		w.text(subject)
	}
	for range list {
		*w = append(*w, '}')
	}
}
