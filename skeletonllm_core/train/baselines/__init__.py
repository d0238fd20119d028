"""What every table has beside the model: classifiers that never see a picture, learned and tested on the same clips."""
