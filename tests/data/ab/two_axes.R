# Fixed inputs, every figure computed by R's own functions where R has one.
control <- c(1200, 950, 3100, 780, 1500, 2200, 640, 1750, 990, 1310, 2600, 870)
treatment <- c(900, 700, 3300, 600, 1100, 1500, 700, 1200, 640, 1000, 2100, 610)
had <- c(1,1,0,1,1,0,1,1,0,1,1,1)
got <- c(1,1,1,1,0,1,1,1,0,1,1,1)
n <- length(control)
d <- log(treatment/control)
options(digits=12)
tt <- t.test(d)
cat("gmr", exp(mean(d)), "ci", exp(tt$conf.int), "\n")
# cost per success, jackknife t on the log ratio
lr <- function(i) log(sum(treatment[i])/sum(got[i])) - log(sum(control[i])/sum(had[i]))
th <- lr(1:n); ja <- sapply(1:n, function(j) lr(-j))
se <- sqrt((n-1)/n*sum((ja-mean(ja))^2))
cat("cps", exp(th), exp(th + c(-1,1)*qt(.975,n-1)*se), "\n")
# Fieller's interval of mean(treatment)/mean(control), as the rho whose paired t is at its limit
g <- function(r) { x <- treatment - r*control; abs(t.test(x)$statistic) - qt(.975,n-1) }
r0 <- mean(treatment)/mean(control)
cat("fieller", uniroot(g,c(.3,r0-1e-9),tol=1e-13)$root, uniroot(g,c(r0+1e-9,1.5),tol=1e-13)$root, "\n")
# both succeeded
b <- had==1 & got==1
tb <- t.test(d[b]); cat("both", sum(b), exp(mean(d[b])), exp(tb$conf.int), "\n")
# t limits of the difference in success, 95 % and 90 %
x <- got-had
cat("t95", t.test(x)$conf.int, "t90", t.test(x,conf.level=.9)$conf.int, "\n")
# Tango: invert the score test, restricted MLE found numerically
tango <- function(nb,nc,n,level){
  z <- qnorm((1+level)/2)
  stat <- function(D){
    ll <- function(q){ p10 <- q; p01 <- q+D; if(p10<0||p01<0||p10+p01>1) return(-1e10)
      s <- 0; if(nb>0) s <- s+nb*log(p01); if(nc>0) s <- s+nc*log(p10); if(n-nb-nc>0) s <- s+(n-nb-nc)*log(1-p10-p01); s }
    lo <- max(0,-D); hi <- (1-D)/2
    q <- optimize(ll,c(lo,hi),maximum=TRUE,tol=1e-14)$maximum
    (nb-nc-n*D)/sqrt(n*(2*q+D-D^2)) }
  est <- (nb-nc)/n
  c(uniroot(function(D) stat(D)-z, c(-1+1e-9,est),tol=1e-12)$root, uniroot(function(D) stat(D)+z, c(est,1-1e-9),tol=1e-12)$root) }
cat("tango95", tango(sum(x==1),sum(x==-1),n,.95), "tango90", tango(sum(x==1),sum(x==-1),n,.90), "\n")
# drift of earlier controls
earlier <- list(c(1100,1250),c(900,1010,880),c(3000),c(800,760),c(1450),c(2100,2300),c(600),c(1800,1700),c(1000),c(1290),c(2500,2700),c(850))
k <- sapply(earlier,length); e <- sapply(earlier,function(v) mean(log(v)))
dr <- t.test(e-log(control)); cat("drift", exp(mean(e-log(control))), dr$p.value, "\n")
d2 <- d + k/(k+1)*(log(control)-e)
t2 <- t.test(d2); cat("refined", exp(mean(d2)), exp(t2$conf.int), sd(d2), "\n")
