package cli

import (
	"os"

	"golang.org/x/term"
)

// terminalWidth returns the width of a terminal in columns; 0 if the file is not a terminal, or
// one that cannot move its cursor.
func terminalWidth(file *os.File) int {
	if os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}
