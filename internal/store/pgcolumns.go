package store

// columns are rows as arguments of a procedure, which takes each column as an array.
type columns struct{ rows [][]any }

func (c *columns) add(values ...any) { c.rows = append(c.rows, values) }

// of returns the columns as the functions read them. No column is nil, which would
// be NULL.
func (c *columns) of(read ...func(rows [][]any, column int) any) []any {
	all := make([]any, len(read))
	for i, f := range read {
		all[i] = f(c.rows, i)
	}
	return all
}

func texts(rows [][]any, column int) any { return columnOf[string](rows, column) }

func integers(rows [][]any, column int) any { return columnOf[int64](rows, column) }

func columnOf[T any](rows [][]any, column int) []T {
	values := make([]T, len(rows))
	for i, row := range rows {
		values[i], _ = row[column].(T)
	}
	return values
}
