"""From the names of one tool to those of another: `table` reads what a user writes, `renaming` applies it to the names
of a file, `fitting` compares what comes of it with what a net has, `stored` reads files of several kinds."""
