"""From an array, in memory or on disk, to checked minibatches; and the data sets."""
