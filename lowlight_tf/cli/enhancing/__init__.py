"""What `lowlight-tf enhance` does with one image, video, RAW file or camera pair."""
