def write_charts(book, report, placement): book.create_sheet("Charts").append(["-"])
