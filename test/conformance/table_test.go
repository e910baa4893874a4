package conformance

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"
)

// table collects verdicts by row and column.
type table struct {
	heading       string
	rows, columns []string
	verdicts      map[[2]string]string
}

func newTable(heading string) *table {
	return &table{heading: heading, verdicts: map[[2]string]string{}}
}

// check runs one cell as a subtest. Its verdict names the upstream version.
func (tb *table) check(t *testing.T, row, column string, by reader, test func(*testing.T)) {
	t.Helper()
	tb.rows = appendNew(tb.rows, row)
	tb.columns = appendNew(tb.columns, column)
	verdict := "FAIL"
	if t.Run(row+"/"+column, test) {
		verdict = "pass"
	}
	tb.verdicts[[2]string{row, column}] = fmt.Sprintf("%s (%s)", verdict, by.program.Version)
}

func appendNew(list []string, item string) []string {
	for _, known := range list {
		if known == item {
			return list
		}
	}
	return append(list, item)
}

func (tb *table) String() string {
	var text strings.Builder
	writer := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(writer, strings.Join(append([]string{tb.heading}, tb.columns...), "\t"))
	for _, row := range tb.rows {
		cells := []string{row}
		for _, column := range tb.columns {
			cells = append(cells, tb.verdicts[[2]string{row, column}])
		}
		fmt.Fprintln(writer, strings.Join(cells, "\t"))
	}
	writer.Flush()
	return text.String()
}
