// 1 / sqrt(mean(x^2) + eps) of a row, by all invocations of a group.
float rms_factor(F32 x, int first, int width, float eps) {
    float squares = 0;
    EACH_LANE(i, width)
    squares += x.at[first + i] * x.at[first + i];
    return 1 / sqrt(group_sum(squares) / float(width) + eps);
}
