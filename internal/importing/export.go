package importing

import (
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
)

const exportChunk = 500

// Export writes the valid API tokens of users in the form that Import reads, by their
// digests, and returns how many it wrote. Those with a built-in scope are left out, because
// they can't be imported. Only the operator may export.
func (i *Importer) Export(ctx context.Context, c *caller.Caller, w io.Writer, asCSV bool) (int, error) {
	if !c.IsOperator() {
		return 0, fault.New(fault.Forbidden, "tokens are exported at the command line")
	}
	var write func(map[string]string) error
	flush := func() error { return nil }
	if asCSV {
		write, flush = csvWriter(w)
	} else {
		write = jsonWriter(w)
	}
	count, after := 0, ""
	for {
		page, err := i.cfg.Store.APITokensAfter(ctx, after, i.cfg.Now(), exportChunk)
		if err != nil {
			return count, err
		}
		for _, o := range page {
			after = o.Token.ID
			if o.Username == "" || slices.ContainsFunc(o.Token.Scope, builtIn) {
				continue // its owner doesn't exist any more, so it can't be used; or it can't be imported
			}
			if err := write(exported(o)); err != nil {
				return count, fmt.Errorf("writing the export: %w", err)
			}
			count++
		}
		if len(page) < exportChunk {
			return count, flush()
		}
	}
}

// exported returns the members of a line.
func exported(o records.OwnedToken) map[string]string {
	t := o.Token
	texts := map[string]string{
		memberOwner: o.Username, memberName: t.Name, memberScope: identity.FormatScope(t.Scope), memberNetworks: t.Networks.String(),
		memberCreated: timeText(t.CreatedAt), memberExpires: timeText(t.ExpiresAt), memberLastUsed: timeText(t.LastUsedAt),
	}
	if t.SHA512 != nil {
		texts[memberSHA512] = hex.EncodeToString(t.SHA512)
	} else {
		texts[memberSHA256] = hex.EncodeToString(t.Digest[:])
	}
	if t.Collection != nil {
		texts[memberCollection] = strconv.FormatInt(*t.Collection, 10)
	}
	return texts
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// jsonWriter writes one object a line, without empty members.
func jsonWriter(w io.Writer) func(map[string]string) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return func(texts map[string]string) error {
		for name, text := range texts {
			if text == "" {
				delete(texts, name)
			}
		}
		return e.Encode(texts)
	}
}

// csvWriter writes a header, and a row for each token.
func csvWriter(w io.Writer) (write func(map[string]string) error, flush func() error) {
	c := csv.NewWriter(w)
	columns := members[1:] // no values
	begun := false
	begin := func() error {
		if begun {
			return nil
		}
		begun = true
		return c.Write(columns)
	}
	write = func(texts map[string]string) error {
		if err := begin(); err != nil {
			return err
		}
		row := make([]string, len(columns))
		for i, name := range columns {
			row[i] = texts[name]
		}
		return c.Write(row)
	}
	return write, func() error {
		if err := begin(); err != nil {
			return err
		}
		c.Flush()
		return c.Error()
	}
}
