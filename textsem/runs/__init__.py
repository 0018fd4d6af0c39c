"""What runs of text and images share: files, locks, endings, cards, statistics and their figures."""
