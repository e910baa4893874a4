package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gonvenience/ytbx"
	"github.com/homeport/dyff/pkg/dyff"
)

// contextLines are the unchanged lines shown around a changed line of a rendered
// file: enough to recognise the place, few enough for a phone.
const contextLines = 1

// readingOrder lists the parts of a plan as one reads a difference: what it means
// first, the files that follow from it last.
var readingOrder = []string{"kubernetes", "images", "ports", "resources", "files"}

// planDiff is the difference between two plans.
type planDiff struct {
	// changes counts the places that differ.
	changes int
	// text is in the syntax that GitHub and GitLab colour in a ```diff block.
	text string
}

// diffPlans compares two plans by their structure: resources by name, in any order.
func diffPlans(base, head []byte) (planDiff, error) {
	from, err := inputFile("base", base)
	if err != nil {
		return planDiff{}, err
	}
	to, err := inputFile("head", head)
	if err != nil {
		return planDiff{}, err
	}
	report, err := dyff.CompareInputFiles(from, to)
	if err != nil {
		return planDiff{}, fmt.Errorf("compare plans: %w", err)
	}
	slices.SortStableFunc(report.Diffs, func(a, b dyff.Diff) int {
		return cmp.Compare(sectionOf(a.Path), sectionOf(b.Path))
	})
	writer := dyff.DiffSyntaxReport{
		PathPrefix: "@@", RootDescriptionPrefix: "#", ChangeTypePrefix: "!",
		HumanReport: dyff.HumanReport{
			Report: report, NoTableStyle: true, OmitHeader: true, PrefixMultiline: true,
			MultilineContextLines: contextLines,
		},
	}
	var text bytes.Buffer
	if err := writer.WriteReport(&text); err != nil {
		return planDiff{}, fmt.Errorf("write the difference of plans: %w", err)
	}
	return planDiff{changes: len(report.Diffs), text: strings.Trim(text.String(), "\n")}, nil
}

func inputFile(name string, plan []byte) (ytbx.InputFile, error) {
	documents, err := ytbx.LoadYAMLDocuments(plan)
	if err != nil {
		return ytbx.InputFile{}, fmt.Errorf("read the plan of the %s: %w", name, err)
	}
	return ytbx.InputFile{Location: name, Documents: documents}, nil
}

func sectionOf(path *ytbx.Path) int {
	if path == nil || len(path.PathElements) == 0 {
		return -1
	}
	return slices.Index(readingOrder, path.PathElements[0].Name)
}
